import t from 'tap'
import { readDuration } from '../../../lib/cli/duration.ts'

t.test('a time is seconds, or a number with a unit', async (t) => {
  const read = [['0', 0], ['90', 90], ['90s', 90], ['15m', 900], ['24h', 86_400], ['30d', 2_592_000], ['999999999d', 86_399_999_913_600]] as const
  for (const [text, seconds] of read) t.equal(readDuration('--x', text), seconds, text)
  t.equal(readDuration('--x', undefined), undefined)
})

t.test('and nothing else', async (t) => {
  for (const text of ['', ' ', 'h', '-1', '+1', '1.5h', '1e3', '0x10', '1 h', '1h ', '1H', '1w', '1hs', '1h30m', 'NaN', 'Infinity', '1234567890', '١']) {
    t.throws(() => readDuration('--x', text), { code: 'FDT_INVALID_OPTION', message: /"--x"/ }, text)
  }
})
