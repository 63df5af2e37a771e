import t from 'tap'
import { checkKey } from '../../lib/stores/token-store.ts'

t.test('a store key', async (t) => {
  t.throws(() => checkKey(''), { code: 'FDT_INVALID_KEY' })
})
