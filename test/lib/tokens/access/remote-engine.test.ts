import t from 'tap'
import { createKeyRing, generateKey } from '../../../../lib/keys/index.ts'
import { createRemoteEngine } from '../../../../lib/tokens/access/remote-engine.ts'
import { forge } from '../../../support/tokens.ts'

t.test('it verifies, strictly, and signs nothing', async (t) => {
  const key = createKeyRing([{ key: await generateKey('ES256') }]).signing()
  const { sign, verify } = await createRemoteEngine(key, 'at+jwt')
  const header = { alg: 'ES256', typ: 'at+jwt', kid: key.kid }
  t.strictSame(verify(forge(header, { a: [1, 'x', null] }, key)), { a: [1, 'x', null] })
  for (const payload of ['', '{', '{"a":1,"a":2}', '{"__proto__":{}}', '\ufeff{}', Buffer.of(0x22, 0xff, 0x22), '['.repeat(33) + ']'.repeat(33)]) t.throws(() => verify(forge(header, payload, key)), { code: 'FDT_INVALID_JSON' }, String(payload))
  t.throws(() => verify(`${forge(header, {}, key)}x`), { code: 'FDT_INVALID_TOKEN' })
  t.throws(() => sign({ a: 1 }), { code: 'FDT_NO_SIGNING_KEY' })
})
