import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import t from 'tap'
import { type ApiKeyRecord, type ApiKeySource, authenticateApiKey, createSecret, digestSecret, type PresentedKey } from '../../../lib/credentials/index.ts'
import { StoreFullError, StoreUnavailableError } from '../../../lib/errors.ts'

const NOW = Date.UTC(2030, 0, 1)
const SECONDS = NOW / 1000
const now = () => NOW

const ID = 'abcdefghij012345'
const SECRET = createSecret('key', ID)
const FOREIGN = 'pdf_live_0123456789abcdefghijklmnopqrstuvwxyz'

const GOOD: ApiKeyRecord = { id: ID, createdAt: SECONDS, secrets: [{ digest: digestSecret(SECRET), createdAt: SECONDS }] }

/** A host's look-up, which may answer anything, and what it was asked. */
function sourceOf (answer: unknown): ApiKeySource & { asked: PresentedKey[] } {
  const asked: PresentedKey[] = []
  return {
    asked,
    async find (presented) {
      asked.push(presented)
      // A host is free to break the interface.
      return answer as ApiKeyRecord
    }
  }
}

async function failure (promise: Promise<unknown>): Promise<{ code: string, keys: string[], message: string, cause: unknown }> {
  try {
    await promise
  } catch (error) {
    if (error instanceof Error && 'code' in error) return { code: String(error.code), keys: Object.keys(error).sort(), message: error.message, cause: error.cause }
  }
  throw new TypeError('it did not fail as expected')
}

t.test('a good key', async (t) => {
  t.test('becomes a credential without its secrets', async (t) => {
    const record = { ...GOOD, owner: 'acme', label: 'shop', flows: ['session-issuance' as const], documents: ['a'], permissions: ['read'], maxLifetime: 60, rateLimit: { max: 5, timeWindow: 1000, extra: 1 }, disabled: false, extra: 1 }
    const credential = await authenticateApiKey(sourceOf(record), SECRET, { flow: 'session-issuance', now })
    t.strictSame(credential, { id: ID, owner: 'acme', flows: ['session-issuance'], documents: ['a'], permissions: ['read'], maxLifetime: 60, rateLimit: { max: 5, timeWindow: 1000 } })
    t.ok([credential, credential.flows, credential.documents, credential.permissions, credential.rateLimit].every(Object.isFrozen), 'deeply frozen')
    record.documents.push('b')
    record.rateLimit.max = 1000
    t.strictSame([credential.documents, credential.rateLimit?.max], [['a'], 5], 'a copy')
  })

  t.test('without limits has none', async (t) => {
    t.strictSame(await authenticateApiKey(sourceOf(GOOD), SECRET, { flow: 'opaque-tokens', now }), { id: ID })
  })

  t.test('is looked up by id and digest, once', async (t) => {
    const source = sourceOf(GOOD)
    await authenticateApiKey(source, SECRET, { flow: 'opaque-tokens' })
    t.strictSame(source.asked, [{ id: ID, digest: digestSecret(SECRET) }])
  })

  t.test('of another shape is looked up by digest', async (t) => {
    const source = sourceOf({ ...GOOD, id: 'customer 7', secrets: [{ digest: digestSecret(FOREIGN), createdAt: 0 }] })
    t.equal((await authenticateApiKey(source, FOREIGN, { flow: 'opaque-tokens', now })).id, 'customer 7')
    t.strictSame(source.asked, [{ id: undefined, digest: digestSecret(FOREIGN) }])
  })

  t.test('may have two secrets', async (t) => {
    const other = createSecret('key', ID)
    const source = sourceOf({ ...GOOD, secrets: [...GOOD.secrets, { digest: digestSecret(other), createdAt: SECONDS, expiresAt: SECONDS + 1 }] })
    for (const secret of [SECRET, other]) t.equal((await authenticateApiKey(source, secret, { flow: 'opaque-tokens', now })).id, ID)
  })

  t.test('may be named like a member of Object.prototype (T28)', async (t) => {
    for (const id of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      const credential = await authenticateApiKey(sourceOf({ ...GOOD, id, owner: id, documents: [id] }), SECRET, { flow: 'opaque-tokens', now })
      t.strictSame(credential, { id, owner: id, documents: [id] })
    }
  })

  t.test('may come as an object with getters', async (t) => {
    class Row {
      get id () { return ID }
      get createdAt () { return SECONDS }
      get secrets () { return GOOD.secrets }
      get rateLimit () { return new Limits() }
    }
    class Limits {
      get max () { return 5 }
      get timeWindow () { return 1000 }
    }
    t.strictSame(await authenticateApiKey(sourceOf(new Row()), SECRET, { flow: 'opaque-tokens', now }), { id: ID, rateLimit: { max: 5, timeWindow: 1000 } })
  })
})

t.test('a key without a chance costs no look-up', async (t) => {
  const refused: Array<{ name: string, presented: unknown }> = [
    { name: 'empty', presented: '' },
    { name: 'not a string', presented: [SECRET] },
    { name: 'absent', presented: undefined },
    { name: 'longer than 512', presented: 'k'.repeat(513) },
    { name: '1 MB', presented: 'k'.repeat(1_000_000) },
    { name: 'CR and LF (T33)', presented: `${FOREIGN}\r\nx: y` },
    { name: 'a line feed behind', presented: `${FOREIGN}\n` },
    { name: 'NUL', presented: `${FOREIGN}\u0000` },
    { name: 'DEL', presented: `${FOREIGN}\u007f` },
    { name: 'non-ASCII', presented: `${FOREIGN}é` },
    { name: 'our prefix, wrong checksum', presented: SECRET.slice(0, -1) + (SECRET.endsWith('A') ? 'Q' : 'A') },
    { name: 'our prefix and nothing else', presented: 'fdt_' },
    { name: 'a secret of a client', presented: createSecret('client', ID) }
  ]
  for (const { name, presented } of refused) {
    t.test(name, async (t) => {
      const source = sourceOf(GOOD)
      // A header may be a list at run time, whatever the types say.
      t.match(await failure(authenticateApiKey(source, presented as string, { flow: 'opaque-tokens', now })), { code: 'FDT_INVALID_CREDENTIAL' })
      t.strictSame(source.asked, [])
    })
  }

  t.test('512 characters are looked up', async (t) => {
    const source = sourceOf(undefined)
    await t.rejects(authenticateApiKey(source, 'k'.repeat(512), { flow: 'opaque-tokens', now }), { code: 'FDT_INVALID_CREDENTIAL' })
    t.equal(source.asked.length, 1)
  })
})

t.test('every refusal is one and the same, with the same work (T25)', async (t) => {
  const { createHash, timingSafeEqual } = crypto
  let digests = 0
  let comparisons = 0
  crypto.createHash = (...args) => {
    digests++
    return createHash(...args)
  }
  crypto.timingSafeEqual = (...args) => {
    comparisons++
    return timingSafeEqual(...args)
  }
  syncBuiltinESMExports()
  t.teardown(() => {
    Object.assign(crypto, { createHash, timingSafeEqual })
    syncBuiltinESMExports()
  })

  const wrong = { digest: digestSecret(createSecret('key', ID)), createdAt: SECONDS }
  const right = { digest: digestSecret(SECRET), createdAt: SECONDS }
  const refused = [
    { name: 'unknown', answer: undefined },
    { name: 'unknown, as null', answer: null },
    { name: 'wrong secret', answer: { ...GOOD, secrets: [wrong] } },
    { name: 'two wrong secrets', answer: { ...GOOD, secrets: [wrong, wrong] } },
    { name: 'expired this second', answer: { ...GOOD, secrets: [{ ...right, expiresAt: SECONDS }] } },
    { name: 'expired at 0', answer: { ...GOOD, secrets: [{ ...right, expiresAt: 0 }] } },
    { name: 'expired, and another secret lives', answer: { ...GOOD, secrets: [{ ...right, expiresAt: SECONDS - 1 }, wrong] } },
    { name: 'disabled', answer: { ...GOOD, disabled: true } },
    { name: 'disabled, of another flow', answer: { ...GOOD, disabled: true, flows: ['session-issuance'] } },
    { name: 'wrong secret, of another flow', answer: { ...GOOD, flows: ['session-issuance'], secrets: [wrong] } }
  ]
  for (const { name, answer } of refused) {
    t.test(name, async (t) => {
      digests = comparisons = 0
      const source = sourceOf(answer)
      const error = await failure(authenticateApiKey(source, SECRET, { flow: 'opaque-tokens', now }))
      t.strictSame(error, { code: 'FDT_INVALID_CREDENTIAL', keys: ['code', 'message', 'name', 'statusCode'], message: 'The API key is not valid', cause: undefined })
      t.equal(source.asked.length, 1, 'one look-up')
      // One digest of what was presented; the checksum is no digest.
      t.equal(digests, 1, 'one digest')
      t.equal(comparisons, 2, 'two comparisons')
    })
  }

  t.test('malformed looks the same', async (t) => {
    const error = await failure(authenticateApiKey(sourceOf(GOOD), 'fdt_key', { flow: 'opaque-tokens', now }))
    t.strictSame(error, { code: 'FDT_INVALID_CREDENTIAL', keys: ['code', 'message', 'name', 'statusCode'], message: 'The API key is not valid', cause: undefined })
  })
})

t.test('a secret ends to the millisecond', async (t) => {
  const source = sourceOf({ ...GOOD, secrets: [{ digest: digestSecret(SECRET), createdAt: 0, expiresAt: SECONDS }] })
  t.equal((await authenticateApiKey(source, SECRET, { flow: 'opaque-tokens', now: () => NOW - 1 })).id, ID)
  await t.rejects(authenticateApiKey(source, SECRET, { flow: 'opaque-tokens', now }), { code: 'FDT_INVALID_CREDENTIAL' })
  await t.rejects(authenticateApiKey(source, SECRET, { flow: 'opaque-tokens', now: () => NaN }), { code: 'FDT_INVALID_CREDENTIAL' }, 'a broken clock ends what can end')
})

t.test('a secret that differs behind byte 72 is refused (T27)', async (t) => {
  const long = 'k'.repeat(512)
  const source = sourceOf({ ...GOOD, secrets: [{ digest: digestSecret(long), createdAt: 0 }] })
  t.equal((await authenticateApiKey(source, long, { flow: 'opaque-tokens', now })).id, ID)
  for (const at of [72, 73, 511]) {
    await t.rejects(authenticateApiKey(source, long.slice(0, at) + 'x' + long.slice(at + 1), { flow: 'opaque-tokens', now }), { code: 'FDT_INVALID_CREDENTIAL' })
  }
  await t.rejects(authenticateApiKey(source, long.slice(0, 72), { flow: 'opaque-tokens', now }), { code: 'FDT_INVALID_CREDENTIAL' })
})

t.test('a good key of another flow is told so', async (t) => {
  const lists: string[][] = [['session-issuance'], [], ['opaque-tokens-2', 'toString']]
  for (const flows of lists) {
    await t.rejects(authenticateApiKey(sourceOf({ ...GOOD, flows }), SECRET, { flow: 'opaque-tokens', now }), { code: 'FDT_FLOW_NOT_ALLOWED', statusCode: 403 })
  }
})

t.test('a record that is not to be relied on never passes', async (t) => {
  const secret = { digest: digestSecret(SECRET), createdAt: SECONDS }
  const broken: Array<{ name: string, member: string, answer: unknown }> = [
    { name: 'not an object', member: 'id', answer: true },
    { name: 'a string', member: 'id', answer: ID },
    { name: 'a list', member: 'id', answer: [GOOD] },
    { name: 'no id', member: 'id', answer: { ...GOOD, id: undefined } },
    { name: 'an empty id', member: 'id', answer: { ...GOOD, id: '' } },
    { name: 'a number as id', member: 'id', answer: { ...GOOD, id: 7 } },
    { name: 'a long id', member: 'id', answer: { ...GOOD, id: 'x'.repeat(257) } },
    { name: 'a control character in the id', member: 'id', answer: { ...GOOD, id: 'a\nb' } },
    { name: 'half a surrogate pair as id', member: 'id', answer: { ...GOOD, id: '\ud800' } },
    { name: 'owner null', member: 'owner', answer: { ...GOOD, owner: null } },
    { name: 'an empty label', member: 'label', answer: { ...GOOD, label: '' } },
    { name: 'flows null', member: 'flows', answer: { ...GOOD, flows: null } },
    { name: 'flows in one string', member: 'flows', answer: { ...GOOD, flows: 'opaque-tokens' } },
    { name: 'documents null', member: 'documents', answer: { ...GOOD, documents: null } },
    { name: 'documents with a number', member: 'documents', answer: { ...GOOD, documents: ['a', 1] } },
    // eslint-disable-next-line no-sparse-arrays -- the hole is the case
    { name: 'documents with a hole', member: 'documents', answer: { ...GOOD, documents: ['a', , 'b'] } },
    { name: 'permissions as an object', member: 'permissions', answer: { ...GOOD, permissions: { 0: 'read', length: 1 } } },
    { name: 'maxLifetime 0', member: 'maxLifetime', answer: { ...GOOD, maxLifetime: 0 } },
    { name: 'maxLifetime NaN', member: 'maxLifetime', answer: { ...GOOD, maxLifetime: NaN } },
    { name: 'maxLifetime as string', member: 'maxLifetime', answer: { ...GOOD, maxLifetime: '60' } },
    { name: 'rateLimit null', member: 'rateLimit', answer: { ...GOOD, rateLimit: null } },
    { name: 'rateLimit without a time', member: 'rateLimit', answer: { ...GOOD, rateLimit: { max: 5 } } },
    { name: 'rateLimit of no requests', member: 'rateLimit', answer: { ...GOOD, rateLimit: { max: 0, timeWindow: 1000 } } },
    { name: 'rateLimit in a string', member: 'rateLimit', answer: { ...GOOD, rateLimit: '100/1m' } },
    { name: 'rateLimit of a time as string', member: 'rateLimit', answer: { ...GOOD, rateLimit: { max: 5, timeWindow: '1000' } } },
    { name: 'disabled null', member: 'disabled', answer: { ...GOOD, disabled: null } },
    { name: 'disabled as string', member: 'disabled', answer: { ...GOOD, disabled: 'true' } },
    { name: 'disabled as number', member: 'disabled', answer: { ...GOOD, disabled: 1 } },
    { name: 'no createdAt', member: 'createdAt', answer: { ...GOOD, createdAt: undefined } },
    { name: 'createdAt in milliseconds', member: 'createdAt', answer: { ...GOOD, createdAt: NOW } },
    { name: 'no secrets', member: 'secrets', answer: { ...GOOD, secrets: undefined } },
    { name: 'an empty list of secrets', member: 'secrets', answer: { ...GOOD, secrets: [] } },
    { name: 'three secrets', member: 'secrets', answer: { ...GOOD, secrets: [secret, secret, secret] } },
    { name: 'a secret that is null', member: 'secrets', answer: { ...GOOD, secrets: [null] } },
    { name: 'a secret in the clear', member: 'secrets', answer: { ...GOOD, secrets: [SECRET] } },
    { name: 'no digest', member: 'secrets', answer: { ...GOOD, secrets: [{ createdAt: 0 }] } },
    { name: 'an empty digest', member: 'secrets', answer: { ...GOOD, secrets: [{ ...secret, digest: '' }] } },
    { name: 'a digest in hex', member: 'secrets', answer: { ...GOOD, secrets: [{ ...secret, digest: Buffer.from(secret.digest, 'base64url').toString('hex') }] } },
    { name: 'a padded digest', member: 'secrets', answer: { ...GOOD, secrets: [{ ...secret, digest: `${secret.digest}=` }] } },
    { name: 'a good secret beside a broken one', member: 'secrets', answer: { ...GOOD, secrets: [secret, { ...secret, digest: 'x' }] } },
    { name: 'expiresAt NaN', member: 'secrets', answer: { ...GOOD, secrets: [{ ...secret, expiresAt: NaN }] } },
    { name: 'expiresAt Infinity', member: 'secrets', answer: { ...GOOD, secrets: [{ ...secret, expiresAt: Infinity }] } },
    { name: 'expiresAt null', member: 'secrets', answer: { ...GOOD, secrets: [{ ...secret, expiresAt: null }] } },
    { name: 'expiresAt as a date', member: 'secrets', answer: { ...GOOD, secrets: [{ ...secret, expiresAt: '2031-01-01' }] } },
    { name: 'expiresAt in milliseconds', member: 'secrets', answer: { ...GOOD, secrets: [{ ...secret, expiresAt: NOW + 1 }] } }
  ]
  for (const { name, member, answer } of broken) {
    t.test(name, async (t) => {
      const error = await failure(authenticateApiKey(sourceOf(answer), SECRET, { flow: 'opaque-tokens', now }))
      t.equal(error.code, 'FDT_INVALID_CREDENTIAL')
      t.match(error.cause, { code: 'FDT_INVALID_VALUE', message: new RegExp(`"${member}"`) }, 'the cause names the member')
      t.notMatch(String(error.cause), new RegExp(`${SECRET}|${secret.digest}`))
    })
  }
})

t.test('a source that fails is an outage, never a wrong key (T36)', async (t) => {
  const outage = new TypeError(`cannot reach the database for ${SECRET}`)
  const failing: Array<{ name: string, find: ApiKeySource['find'] }> = [
    { name: 'it rejects', find: () => Promise.reject(outage) },
    { name: 'it throws', find: () => { throw outage } }
  ]
  for (const { name, find } of failing) {
    t.test(name, async (t) => {
      const error = await failure(authenticateApiKey({ find }, SECRET, { flow: 'opaque-tokens', now }))
      t.equal(error.code, 'FDT_STORE_UNAVAILABLE')
      t.equal(error.cause, outage)
      t.notMatch(error.message, SECRET, 'only the cause, which is for the log, is the host\'s (T34)')
    })
  }

  t.test('errors of this package pass unchanged', async (t) => {
    for (const own of [new StoreUnavailableError(), new StoreFullError()]) {
      await t.rejects(authenticateApiKey({ find: () => Promise.reject(own) }, SECRET, { flow: 'opaque-tokens', now }), own)
    }
  })
})
