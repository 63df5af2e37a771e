import { join } from 'node:path'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { createApiKeyRegistry, createSecret, parseSecret } from '../../lib/credentials/index.ts'
import { createKeyRing, generateKey } from '../../lib/keys/index.ts'
import { createMemoryStore } from '../../lib/stores/memory.ts'
import { type DocumentSessions, sessionIssuance } from '../../plugins/session-issuance/index.ts'
import { type Answer, call, claimsOf, headerOf, issue, revoke } from '../support/example-client.ts'
import { findKey, hasTool, ROOT, startProgram, until } from '../support/example-server.ts'
import { paste } from '../support/example-shell.ts'

const TENANTS = ['acme', 'globex'] as const
type Tenant = typeof TENANTS[number]

/** What each may that the other may not. */
const OWN = { acme: 'sign', globex: 'annotate' } as const

async function startExample (t: Test) {
  const program = startProgram(t, process.execPath, [join(ROOT, 'dist/examples/two-tenants.js')], { env: { PORT: '0' } })
  const { url, commands } = await until(() => {
    if (program.process.exitCode !== null) throw new Error(`the example ended: ${program.output()}`)
    const [, url] = /^listening on (http:\S+)\n/.exec(program.stdout()) ?? []
    const commands = program.stdout().match(/^curl .*\\\n.*\n/gm)
    return url !== undefined && commands?.length === TENANTS.length && { url, commands }
  })

  const keyOf = (tenant: Tenant): string => {
    const key = findKey(commands.find((command) => command.includes(`/${tenant}/`)) ?? '')
    if (key === undefined) throw new Error(`no key of ${tenant} is shown`)
    return key
  }
  const keys = { acme: keyOf('acme'), globex: keyOf('globex') }
  return {
    program,
    commands,
    keys,
    url,
    at: (tenant: Tenant): string => `${url}/${tenant}`,
    /** A session of a tenant for `contract`, with all that is to be had there. */
    session: (tenant: Tenant) => issue(`${url}/${tenant}`, keys[tenant], { contract: ['read', OWN[tenant]] }),
    /** `POST /viewer/sessions` of a tenant. */
    create: (tenant: Tenant, bearer: string) => call(`${url}/${tenant}/viewer/sessions`, { method: 'POST', bearer, body: { allowed_documents: [{ document_id: 'contract' }] } }),
    open: (tenant: Tenant, bearer: string, permission = 'read') => call(`${url}/${tenant}/documents/contract/${permission}`, { bearer }),
    signOut: (tenant: Tenant, key: string) => call(`${url}/${tenant}/sign-out`, { method: 'POST', headers: { 'x-api-key': key } })
  }
}

/** What an answer that refuses looks like, in one object for one comparison. */
function refusal ({ status, headers, body }: Answer) {
  return { status, code: (body as { code?: string } | undefined)?.code, challenge: headers.get('www-authenticate') }
}

const INVALID_TOKEN = { status: 401, code: 'FDT_INVALID_TOKEN', challenge: 'Bearer error="invalid_token"' }
const INVALID_KEY = { status: 401, code: 'FDT_INVALID_CREDENTIAL', challenge: 'Bearer error="invalid_token"' }
const REVOKED = { status: 401, code: 'FDT_TOKEN_REVOKED', challenge: 'Bearer error="invalid_token"' }

t.test('the example', async (t) => {
  const { program, commands, keys, at, session, create, open, signOut } = await startExample(t)
  const others = [['acme', 'globex'], ['globex', 'acme']] as const

  await t.test('the commands that it shows', { skip: hasTool('bash') ? false : 'there is no bash' }, async (t) => {
    for (const [index, tenant] of TENANTS.entries()) {
      const { code, stdout } = await paste(t, commands[index] ?? '')
      t.equal(code, 0)
      t.match(claimsOf(JSON.parse(stdout).jwt), { aud: new RegExp(`/viewer/${tenant}$`), owner: tenant, allowed_documents: [{ document_id: 'contract', document_permissions: ['read'] }] })
    }
  })

  await t.test('each has its own permissions', async (t) => {
    for (const [tenant, other] of others) {
      const token = await session(tenant)
      for (const permission of ['read', OWN[tenant]]) t.match(await open(tenant, token, permission), { status: 200, text: `${tenant}: ${parseSecret(keys[tenant])?.id} may ${permission}` })
      t.equal((await open(tenant, token, OWN[other])).status, 404)
      await t.rejects(issue(at(tenant), keys[tenant], { contract: [OWN[other]] }), /^no session: 400 .*FDT_UNKNOWN_PERMISSION/)
    }
  })

  await t.test('a session of one is nothing to the other', async (t) => {
    t.equal(headerOf(await session('acme'))['kid'], headerOf(await session('globex'))['kid'], 'though the same key signed it')
    for (const [tenant, other] of others) {
      const token = await session(tenant)
      t.strictSame(refusal(await open(other, token)), INVALID_TOKEN)
      t.strictSame(refusal(await open(other, token, OWN[other])), INVALID_TOKEN)
      t.match(refusal(await revoke(at(other), keys[other], { jwt: token })), { status: 404, code: 'FDT_SESSION_NOT_FOUND' })
      t.equal((await revoke(at(other), keys[other], { user_id: String(claimsOf(token)['sub']) })).status, 204, 'whoever that is there')
      t.equal((await open(tenant, token)).status, 200)
    }
  })

  await t.test('an API key of one is nothing to the other', async (t) => {
    for (const [tenant, other] of others) {
      const token = await session(other)
      t.strictSame(refusal(await create(other, keys[tenant])), INVALID_KEY)
      t.strictSame(refusal(await revoke(at(other), keys[tenant], { jwt: token })), INVALID_KEY)
      t.match(refusal(await signOut(other, keys[tenant])), { status: 401, code: 'FDT_INVALID_CREDENTIAL' })
      t.equal((await open(other, token)).status, 200)
    }
    t.match(refusal(await signOut('acme', 'no key')), { status: 401, code: 'FDT_INVALID_CREDENTIAL' })
  })

  await t.test('all sessions of one end', async (t) => {
    const [mine, also, theirs] = [await session('acme'), await session('acme'), await session('globex')]
    t.equal((await signOut('acme', keys.acme)).status, 204)
    for (const token of [mine, also]) t.strictSame(refusal(await open('acme', token)), REVOKED)
    t.equal((await open('globex', theirs)).status, 200)
    t.ok(await until(async () => (await open('acme', await session('acme'))).status === 200), 'new ones are had again')
  })

  await t.test('who guesses at one is locked out there', async (t) => {
    const wrong = createSecret('key', parseSecret(keys.acme)?.id)
    // The key of acme itself is just as wrong at globex.
    const locked = await until(async () => {
      const reply = await create('globex', keys.acme)
      return reply.status !== 401 && reply
    })
    t.match(refusal(locked), { status: 429, code: 'FDT_LOCKED' })
    t.equal((await create('acme', keys.acme)).status, 201)
    t.equal((await create('globex', keys.globex)).status, 201)
    t.strictSame(refusal(await create('acme', wrong)), INVALID_KEY)
  })

  await t.test('a limit that one used up', async (t) => {
    const token = await session('globex')
    t.match((await create('acme', keys.acme)).headers.get('ratelimit-policy'), /"credential";q=600;w=60/)
    t.match((await create('globex', keys.globex)).headers.get('ratelimit-policy'), /"credential";q=60;w=60/)
    const limited = await until(async () => {
      const reply = await create('globex', keys.globex)
      return reply.status !== 201 && reply
    })
    t.match(refusal(limited), { status: 429, code: 'FDT_RATE_LIMITED' })
    t.match(limited.headers.get('retry-after'), /^[1-9]\d?$/)
    t.match(limited.headers.get('ratelimit'), /^"credential";r=0;/)
    t.equal((await create('acme', keys.acme)).status, 201)
    t.equal((await open('globex', token)).status, 200, 'sessions that are there go on')
  })

  t.equal(program.stderr(), '')
})

/** Two tenants that differ in nothing but the name: owner, user, key ring, API key and store are the same. */
async function twins (t: Test, { max = 1000 } = {}) {
  const store = createMemoryStore()
  const registry = createApiKeyRegistry({ store })
  const { secret } = await registry.create({ owner: 'both' })
  const keys = createKeyRing([{ key: await generateKey('ES256') }])
  const app = Fastify()
  t.teardown(() => app.close())
  const sessions: Partial<Record<Tenant, DocumentSessions>> = {}
  const add = (app: FastifyInstance, name: Tenant, prefix: string = name) => app.register(async (scope) => {
    await scope.register(sessionIssuance, { issuer: 'https://tokens.example', name, keys, store, credentials: registry, limits: { address: { max } } })
    sessions[name] = scope.documentSessions
    scope.get('/documents/:id', { onRequest: scope.documentSessions.require('read', { param: 'id' }) }, async () => 'text')
  }, { prefix: `/${prefix}` })
  for (const tenant of TENANTS) await add(app, tenant)

  const create = (tenant: Tenant) => app.inject({ method: 'POST', url: `/${tenant}/viewer/sessions`, headers: { authorization: `Bearer ${secret}` }, payload: { allowed_documents: [{ document_id: 'a' }] } })
  return {
    add,
    app,
    create,
    id: String(parseSecret(secret)?.id),
    of: (tenant: Tenant): DocumentSessions => {
      const found = sessions[tenant]
      if (found === undefined) throw new Error(`there is no ${tenant}`)
      return found
    },
    session: async (tenant: Tenant): Promise<string> => (await create(tenant)).json().jwt,
    open: async (tenant: Tenant, token: string) => (await app.inject({ url: `/${tenant}/documents/a`, headers: { authorization: `Bearer ${token}` } })).statusCode
  }
}

t.test('the name alone keeps them apart', async (t) => {
  const { id, of, open, session } = await twins(t)
  const ends: Array<[string, (token: string) => Promise<void>]> = [
    ['all of the owner', () => of('acme').revokeAll({ owner: 'both' })],
    ['all of the API key', () => of('acme').revokeAll({ credential: id })],
    ['all of the user', () => of('acme').revokeAll({ subject: id })],
    ['all of the user by the API key', () => of('acme').revokeAll({ subject: id, credential: id })],
    ['one', (token) => of('acme').revoke(token)]
  ]
  for (const [name, end] of ends) {
    const token = await until(async () => {
      const token = await session('acme')
      return await open('acme', token) === 200 && token
    })
    const other = await session('globex')
    t.strictSame([await open('acme', other), await open('globex', token)], [401, 401], `${name}: before`)
    await end(token)
    t.strictSame([await open('acme', token), await open('globex', other)], [401, 200], name)
  }
  await t.rejects(of('acme').revoke(await session('globex')), { code: 'FDT_SESSION_NOT_FOUND' })
})

t.test('and what they count', async (t) => {
  const { create } = await twins(t, { max: 2 })
  const statuses = []
  for (const tenant of ['acme', 'acme', 'acme', 'globex', 'globex', 'globex'] as const) statuses.push((await create(tenant)).statusCode)
  t.strictSame(statuses, [201, 201, 429, 201, 201, 429])
})

t.test('so no two have the same', async (t) => {
  const { add, app } = await twins(t)
  await t.rejects(async () => { await add(app, 'acme', 'initech') }, { code: 'FDT_ALREADY_REGISTERED' })
})
