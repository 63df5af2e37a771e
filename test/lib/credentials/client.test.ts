import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { inspect } from 'node:util'
import t from 'tap'
import { findClient } from '../../../lib/credentials/client.ts'
import { authenticateClientSecret, type ClientRecord, type ClientSource, createSecret, digestSecret } from '../../../lib/credentials/index.ts'
import { StoreFullError, StoreUnavailableError } from '../../../lib/errors.ts'
import { generateKey } from '../../../lib/keys/index.ts'

const NOW = Date.UTC(2030, 0, 1)
const SECONDS = NOW / 1000
const now = () => NOW

const ID = 'abcdefghij012345'
const SECRET = createSecret('client', ID)
const RIGHT = { digest: digestSecret(SECRET), createdAt: SECONDS }
const WRONG = { digest: digestSecret(createSecret('client', ID)), createdAt: SECONDS }

const GOOD: ClientRecord = { id: ID, createdAt: SECONDS, secrets: [RIGHT] }
const PUBLIC_JWK = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }

/** A host's look-up, which may answer anything, and what it was asked. */
function sourceOf (answer: unknown): ClientSource & { asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    async find (clientId) {
      asked.push(clientId)
      // A host is free to break the interface.
      return answer as ClientRecord
    }
  }
}

async function failure (promise: Promise<unknown>): Promise<{ code: string, statusCode: unknown, keys: string[], message: string, cause: unknown }> {
  try {
    await promise
  } catch (error) {
    if (error instanceof Error && 'code' in error && 'statusCode' in error) return { code: String(error.code), statusCode: error.statusCode, keys: Object.keys(error).sort(), message: error.message, cause: error.cause }
  }
  throw new TypeError('it did not fail as expected')
}

const REFUSED = { code: 'FDT_INVALID_CLIENT', statusCode: 400, keys: ['code', 'message', 'name', 'statusCode'], message: 'Client authentication failed', cause: undefined }

t.test('a good secret', async (t) => {
  t.test('tells whose it is, without secrets, keys and label', async (t) => {
    const limits = { owner: 'acme', scopes: ['a', 'b'], defaultScopes: ['a'], audiences: ['https://api.example'], introspects: ['x'], tokenLifetime: 60, requireDpop: true, rateLimit: { max: 5, timeWindow: 1000 } }
    const record = { ...GOOD, ...limits, rateLimit: { ...limits.rateLimit, extra: 1 }, label: 'shop', disabled: false, keys: [PUBLIC_JWK], extra: 1 }
    const client = await authenticateClientSecret(sourceOf(record), ID, SECRET, { now })
    t.strictSame(client, { id: ID, ...limits })
    t.ok([client, client.scopes, client.defaultScopes, client.audiences, client.introspects, client.rateLimit].every(Object.isFrozen), 'deeply frozen')
    record.scopes.push('c')
    t.strictSame(client.scopes, ['a', 'b'], 'a copy')
  })

  t.test('names each thing once', async (t) => {
    const twice = { scopes: ['a', 'a'], defaultScopes: ['a', 'a'], audiences: ['x', 'x'], introspects: ['y', 'y'] }
    t.strictSame(await authenticateClientSecret(sourceOf({ ...GOOD, ...twice }), ID, SECRET, { now }), { id: ID, scopes: ['a'], defaultScopes: ['a'], audiences: ['x'], introspects: ['y'] })
  })

  t.test('is looked up by the id, once, with the present time by default', async (t) => {
    const source = sourceOf(GOOD)
    t.strictSame(await authenticateClientSecret(source, ID, SECRET), { id: ID })
    t.strictSame(source.asked, [ID])
    await t.rejects(authenticateClientSecret(sourceOf({ ...GOOD, secrets: [{ ...RIGHT, expiresAt: 1 }] }), ID, SECRET), { code: 'FDT_INVALID_CLIENT' })
  })

  t.test('may be one of two, and none that this package made', async (t) => {
    const other = 'swordfish ~!"\\'
    const source = sourceOf({ ...GOOD, secrets: [RIGHT, { digest: digestSecret(other), createdAt: SECONDS, expiresAt: SECONDS + 1 }] })
    for (const secret of [SECRET, other]) t.equal((await authenticateClientSecret(source, ID, secret, { now })).id, ID)
  })

  t.test('goes with any id of the RFC (T28)', async (t) => {
    for (const id of ['B01A15E5-1B83-4B9A-8EB3-0F2BFA6AC766', ' ', '~', '"\\', 'a b', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'x'.repeat(100)]) {
      t.equal((await authenticateClientSecret(sourceOf({ ...GOOD, id }), id, SECRET, { now })).id, id)
    }
  })

  t.test('may come with an object with getters', async (t) => {
    class Row {
      get id () { return ID }
      get createdAt () { return SECONDS }
      get secrets () { return [RIGHT] }
    }
    t.strictSame(await authenticateClientSecret(sourceOf(new Row()), ID, SECRET, { now }), { id: ID })
  })

  t.test('ends to the millisecond', async (t) => {
    const source = sourceOf({ ...GOOD, secrets: [{ ...RIGHT, expiresAt: SECONDS }] })
    t.equal((await authenticateClientSecret(source, ID, SECRET, { now: () => NOW - 1 })).id, ID)
    for (const time of [NOW, NaN]) await t.rejects(authenticateClientSecret(source, ID, SECRET, { now: () => time }), { code: 'FDT_INVALID_CLIENT' })
  })

  t.test('that differs behind byte 72 is another one (T27)', async (t) => {
    const long = 'k'.repeat(512)
    const source = sourceOf({ ...GOOD, secrets: [{ digest: digestSecret(long), createdAt: 0 }] })
    t.equal((await authenticateClientSecret(source, ID, long, { now })).id, ID)
    for (const at of [72, 511]) await t.rejects(authenticateClientSecret(source, ID, long.slice(0, at) + 'x' + long.slice(at + 1), { now }), { code: 'FDT_INVALID_CLIENT' })
  })
})

t.test('what cannot be an id or a secret costs no look-up', async (t) => {
  const refused: Array<{ name: string, id?: unknown, secret?: unknown }> = [
    { name: 'no id', id: '' },
    { name: 'an id of 101 characters', id: 'x'.repeat(101) },
    { name: 'an id with a line feed behind', id: `${ID}\n` },
    { name: 'an id with NUL', id: 'a\u0000' },
    { name: 'an id with DEL', id: 'a\u007f' },
    { name: 'an id that is not ASCII', id: 'é' },
    { name: 'a list of ids', id: [ID] },
    { name: 'an absent id', id: undefined },
    { name: 'no secret', secret: '' },
    { name: 'a secret of 513 characters', secret: 'k'.repeat(513) },
    { name: 'a secret with CR and LF (T33)', secret: `${SECRET}\r\n` },
    { name: 'a secret that is not ASCII', secret: 'pässword' },
    { name: 'a list of secrets', secret: [SECRET] },
    { name: 'an absent secret', secret: null }
  ]
  for (const { name, ...given } of refused) {
    t.test(name, async (t) => {
      const source = sourceOf(GOOD)
      const { id, secret } = { id: ID, secret: SECRET, ...given }
      // A body may hold anything at run time, whatever the types say.
      t.strictSame(await failure(authenticateClientSecret(source, id as string, secret as string, { now })), REFUSED)
      if ('id' in given) t.equal(await findClient(source, id as string), undefined)
      t.strictSame(source.asked, [])
    })
  }
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

  const refused = [
    { name: 'unknown', answer: undefined },
    { name: 'unknown, as null', answer: null },
    { name: 'wrong secret', answer: { ...GOOD, secrets: [WRONG] } },
    { name: 'two wrong secrets', answer: { ...GOOD, secrets: [WRONG, WRONG] } },
    { name: 'expired this second', answer: { ...GOOD, secrets: [{ ...RIGHT, expiresAt: SECONDS }] } },
    { name: 'retired, and another secret lives', answer: { ...GOOD, secrets: [{ ...RIGHT, expiresAt: SECONDS - 1 }, WRONG] } },
    { name: 'disabled', answer: { ...GOOD, disabled: true } },
    { name: 'without a secret', answer: { ...GOOD, secrets: [], keys: [PUBLIC_JWK] } },
    { name: 'of an id in other letters', answer: { ...GOOD, id: ID.toUpperCase() } },
    { name: 'of an id with a space behind', answer: { ...GOOD, id: `${ID} ` } }
  ]
  for (const { name, answer } of refused) {
    t.test(name, async (t) => {
      digests = comparisons = 0
      const source = sourceOf(answer)
      t.strictSame(await failure(authenticateClientSecret(source, ID, SECRET, { now })), REFUSED)
      t.strictSame(source.asked, [ID], 'one look-up')
      t.equal(digests, 1, 'one digest')
      t.equal(comparisons, 2, 'two comparisons')
    })
  }

  t.test('as for the right one', async (t) => {
    digests = comparisons = 0
    await authenticateClientSecret(sourceOf(GOOD), ID, SECRET, { now })
    t.strictSame([digests, comparisons], [1, 2])
  })
})

t.test('findClient', async (t) => {
  const record = { ...GOOD, secrets: [], keys: [PUBLIC_JWK] }
  t.equal(await findClient(sourceOf(record), ID), record)
  for (const answer of [undefined, null, { ...record, disabled: true }, { ...record, id: 'ABCDEFGHIJ012345' }]) t.equal(await findClient(sourceOf(answer), ID), undefined)
})

t.test('a record that is not to be relied on never passes', async (t) => {
  const privateJwk = await generateKey('EdDSA')
  const secretJwk = await generateKey('HS256')
  const lists: Array<[string, unknown]> = [['null', null], ['one text', 'a b'], ['a number in it', ['a', 1]], ['an empty text in it', ['']], ['an object', { 0: 'a', length: 1 }], ['a hole in it', Array(1)]]
  const broken: Array<{ name: string, member: string, answer: unknown }> = [
    { name: 'not an object', member: 'id', answer: true },
    { name: 'a list', member: 'id', answer: [GOOD] },
    { name: 'no id', member: 'id', answer: { ...GOOD, id: undefined } },
    { name: 'an empty id', member: 'id', answer: { ...GOOD, id: '' } },
    { name: 'a number as id', member: 'id', answer: { ...GOOD, id: 7 } },
    { name: 'a long id', member: 'id', answer: { ...GOOD, id: 'x'.repeat(101) } },
    { name: 'an id that is not ASCII', member: 'id', answer: { ...GOOD, id: 'é' } },
    { name: 'owner null', member: 'owner', answer: { ...GOOD, owner: null } },
    { name: 'a control character in the label', member: 'label', answer: { ...GOOD, label: 'a\u001b[31m' } },
    ...['scopes', 'defaultScopes', 'audiences', 'introspects'].flatMap((member) => lists.map(([name, value]) => ({ name: `${member}: ${name}`, member, answer: { ...GOOD, [member]: value } }))),
    ...['a b', 'a"', 'a\\', 'é', 'a\n', 'x'.repeat(65)].map((scope) => ({ name: `scope ${JSON.stringify(scope)}`, member: 'scopes', answer: { ...GOOD, scopes: [scope] } })),
    ...['a\n', '\u0000', '\u009b', '\ud800', 'x'.repeat(513)].map((audience) => ({ name: `audience ${JSON.stringify(audience)}`, member: 'audiences', answer: { ...GOOD, audiences: [audience] } })),
    { name: 'a default scope beyond its scopes', member: 'defaultScopes', answer: { ...GOOD, scopes: ['a'], defaultScopes: ['a', 'b'] } },
    { name: 'a default scope of a client that may have none', member: 'defaultScopes', answer: { ...GOOD, scopes: [], defaultScopes: ['a'] } },
    { name: 'tokenLifetime 0', member: 'tokenLifetime', answer: { ...GOOD, tokenLifetime: 0 } },
    { name: 'tokenLifetime NaN', member: 'tokenLifetime', answer: { ...GOOD, tokenLifetime: NaN } },
    { name: 'tokenLifetime null', member: 'tokenLifetime', answer: { ...GOOD, tokenLifetime: null } },
    { name: 'tokenLifetime as text', member: 'tokenLifetime', answer: { ...GOOD, tokenLifetime: '60' } },
    { name: 'requireDpop null', member: 'requireDpop', answer: { ...GOOD, requireDpop: null } },
    { name: 'requireDpop as number', member: 'requireDpop', answer: { ...GOOD, requireDpop: 0 } },
    { name: 'rateLimit of no requests', member: 'rateLimit', answer: { ...GOOD, rateLimit: { max: 0, timeWindow: 1000 } } },
    { name: 'disabled null', member: 'disabled', answer: { ...GOOD, disabled: null } },
    { name: 'disabled as text', member: 'disabled', answer: { ...GOOD, disabled: 'true' } },
    { name: 'no createdAt', member: 'createdAt', answer: { ...GOOD, createdAt: undefined } },
    { name: 'createdAt in milliseconds', member: 'createdAt', answer: { ...GOOD, createdAt: NOW } },
    { name: 'no secrets', member: 'secrets', answer: { ...GOOD, secrets: undefined } },
    { name: 'neither secret nor key', member: 'secrets', answer: { ...GOOD, secrets: [] } },
    { name: 'no secret and an empty list of keys', member: 'secrets', answer: { ...GOOD, secrets: [], keys: [] } },
    { name: 'three secrets', member: 'secrets', answer: { ...GOOD, secrets: [RIGHT, RIGHT, RIGHT] } },
    { name: 'a secret in the clear', member: 'secrets', answer: { ...GOOD, secrets: [SECRET] } },
    { name: 'a secret that is null', member: 'secrets', answer: { ...GOOD, secrets: [null] } },
    { name: 'a padded digest', member: 'secrets', answer: { ...GOOD, secrets: [{ ...RIGHT, digest: `${RIGHT.digest}=` }] } },
    { name: 'a secret without createdAt', member: 'secrets', answer: { ...GOOD, secrets: [{ digest: RIGHT.digest }] } },
    { name: 'expiresAt null', member: 'secrets', answer: { ...GOOD, secrets: [{ ...RIGHT, expiresAt: null }] } },
    { name: 'expiresAt in milliseconds', member: 'secrets', answer: { ...GOOD, secrets: [{ ...RIGHT, expiresAt: NOW + 1 }] } },
    { name: 'keys null', member: 'keys', answer: { ...GOOD, keys: null } },
    { name: 'five keys', member: 'keys', answer: { ...GOOD, keys: Array(5).fill(PUBLIC_JWK) } },
    { name: 'a key that is null', member: 'keys', answer: { ...GOOD, keys: [null] } },
    { name: 'a key as PEM', member: 'keys', answer: { ...GOOD, keys: ['-----BEGIN PUBLIC KEY-----'] } },
    { name: 'a private key', member: 'keys', answer: { ...GOOD, keys: [privateJwk] } },
    { name: 'a symmetric key', member: 'keys', answer: { ...GOOD, keys: [secretJwk] } },
    { name: 'a symmetric key in disguise', member: 'keys', answer: { ...GOOD, keys: [{ ...PUBLIC_JWK, k: 'AAAA' }] } }
  ]
  for (const { name, member, answer } of broken) {
    t.test(name, async (t) => {
      for (const use of [authenticateClientSecret(sourceOf(answer), ID, SECRET, { now }), findClient(sourceOf(answer), ID)]) {
        const error = await failure(use)
        t.equal(error.code, 'FDT_INVALID_CLIENT')
        t.match(error.cause, { code: 'FDT_INVALID_VALUE', message: new RegExp(`"${member}" of a client's record`) }, 'the cause names the member')
        const all = inspect(error, { depth: 10 })
        for (const secret of [SECRET, RIGHT.digest, String(privateJwk.d), String(secretJwk.k)]) t.notOk(all.includes(secret), 'and holds nothing of it (T34)')
      }
    })
  }

  t.test('but it may be as large as that', async (t) => {
    const record = { ...GOOD, scopes: ['s'.repeat(64), '!#[]~'], audiences: ['Ä'.repeat(512)], secrets: [WRONG, RIGHT], keys: Array(4).fill(PUBLIC_JWK) }
    t.equal((await authenticateClientSecret(sourceOf(record), ID, SECRET, { now })).scopes?.length, 2)
    t.strictSame((await authenticateClientSecret(sourceOf({ ...GOOD, scopes: [], defaultScopes: [], audiences: [] }), ID, SECRET, { now })), { id: ID, scopes: [], defaultScopes: [], audiences: [] })
    t.strictSame((await authenticateClientSecret(sourceOf({ ...GOOD, defaultScopes: ['a'] }), ID, SECRET, { now })).defaultScopes, ['a'])
  })
})

t.test('a source that fails is an outage, never a wrong secret (T36)', async (t) => {
  const outage = new TypeError(`cannot reach the database for ${SECRET}`)
  const failing: Array<{ name: string, find: ClientSource['find'] }> = [
    { name: 'it rejects', find: () => Promise.reject(outage) },
    { name: 'it throws', find: () => { throw outage } }
  ]
  for (const { name, find } of failing) {
    t.test(name, async (t) => {
      for (const use of [() => authenticateClientSecret({ find }, ID, SECRET, { now }), () => findClient({ find }, ID)]) {
        const error = await failure(use())
        t.match(error, { code: 'FDT_STORE_UNAVAILABLE', statusCode: 503, cause: outage })
        t.notMatch(error.message, SECRET, 'only the cause, which is for the log, is the host\'s (T34)')
      }
    })
  }

  t.test('errors of this package pass unchanged', async (t) => {
    for (const own of [new StoreUnavailableError(), new StoreFullError()]) await t.rejects(authenticateClientSecret({ find: () => Promise.reject(own) }, ID, SECRET, { now }), own)
  })
})
