import { createSecretKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { EDITOR_ALGORITHMS, signEditorToken, verifyEditorToken } from '../../../../lib/tokens/editor/signature.ts'
import { INBOX, OUTBOX, SAVE, sign, spoilt, TIMES } from '../../../support/editor-tokens.ts'

const keyOf = (secret: string): KeyObject => createSecretKey(Buffer.from(secret))
const [inbox, outbox] = [keyOf(INBOX), keyOf(OUTBOX)]
const REFUSED = { code: 'FDT_INVALID_TOKEN', statusCode: 401, message: 'Invalid token' }

const { tokens: samples } = JSON.parse(readFileSync(join(import.meta.dirname, '../../../vectors/onlyoffice-sample-tokens.json'), 'utf8')) as { tokens: Array<{ method: string, payload: object, token: string }> }

t.test('the sample tokens, character for character', async (t) => {
  t.equal(samples.length, 5)
  for (const { method, payload, token } of samples) {
    const made = signEditorToken(JSON.stringify(payload), inbox, 'HS256')
    t.equal(made.split('.').slice(0, 2).join('.'), token.split('.').slice(0, 2).join('.'), method)
    t.equal(sign(JSON.stringify(payload), ''), token, `${method}, under the empty secret`)
    t.throws(() => verifyEditorToken(token, [inbox, outbox]), REFUSED, `${method} (T32)`)
  }
})

t.test('what is signed is verified', async (t) => {
  t.strictSame(EDITOR_ALGORITHMS, ['HS256', 'HS384', 'HS512'])
  for (const algorithm of ['HS256', 'HS384', 'HS512'] as const) {
    const text = '{"z":1,"a":"ä\\u20ac","n":1.50}'
    const token = signEditorToken(text, inbox, algorithm)
    const [header, payload] = token.split('.').map((segment) => Buffer.from(segment, 'base64url').toString())
    t.equal(header, `{"alg":"${algorithm}","typ":"JWT"}`)
    t.equal(payload, text, 'byte for byte')
    t.equal(token, sign(text, INBOX, { alg: algorithm, typ: 'JWT' }))
    t.strictSame(verifyEditorToken(token, [inbox]), { z: 1, a: 'ä€', n: 1.5 })
    t.strictSame(verifyEditorToken(token, [outbox, inbox]), { z: 1, a: 'ä€', n: 1.5 }, 'either of two')
    t.throws(() => verifyEditorToken(token, [outbox]), REFUSED)
    t.throws(() => verifyEditorToken(token, []), REFUSED, 'no secret verifies nothing')
  }
  t.ok(verifyEditorToken(sign({ a: 1 }, INBOX, { alg: 'HS256' }), [inbox]), 'typ may be absent')
  t.ok(verifyEditorToken(sign({ a: 1 }, INBOX, { typ: 'JWT', alg: 'HS256', kid: '../../etc/passwd', jku: 'https://evil.test' }), [inbox]), 'what else the header says is of no account (T14)')
})

t.test('spoilt tokens (T5, T9, T11, T13, T15)', async (t) => {
  for (const [name, token] of Object.entries(spoilt({ ...SAVE, ...TIMES }))) t.throws(() => verifyEditorToken(token, [outbox]), REFUSED, name)
  for (const token of [undefined, null, 1, {}, []]) t.throws(() => verifyEditorToken(token as unknown as string, [outbox]), REFUSED)
})

t.test('the same token, ten times; and nobody\'s change shows (T6, T7)', async (t) => {
  const token = sign({ a: { b: 1 } })
  for (let turn = 0; turn < 10; turn++) {
    const payload = verifyEditorToken(token, [outbox])
    t.strictSame(payload, { a: { b: 1 } })
    Object.assign(Object(payload['a']), { b: 2 })
  }
})

t.test('claims are not looked at', async (t) => {
  for (const payload of [{}, { exp: 1 }, { nbf: 9_999_999_999 }, { exp: 'text' }]) t.strictSame(verifyEditorToken(sign(payload), [outbox]), payload)
})
