// Two document servers beside each other, each in a scope and with secrets of its own: what is signed for one means nothing to the other.
import { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { createMemoryStore } from '../../../lib/stores/memory.ts'
import { configSigning } from '../../../plugins/config-signing/index.ts'
import { AUTHORIZATION, CONFIG_PATH, FILES, PAGES } from '../../support/editor-front.ts'
import { bodyToken, DOCS, headerToken, KEY, NOW, SAVE } from '../../support/editor-tokens.ts'
import { buildHost, inEveryHost } from '../../support/hosts.ts'
import { recordEvents } from '../../support/recorded-events.ts'
import { post } from '../../support/session-host.ts'

const SERVERS = {
  one: { inbox: 'k3PzV9wQe7LxT1bN6mYc4RfH8sUj2GdA', outbox: 'Zt5XoW0nBq8MvK2hEr7CyLd4JgSi9PuF' },
  two: { inbox: 'Wm3Yt8Qz1Rk6Vb0Xp5Nc9Lj2Hg7Fd4Sa', outbox: 'Jd8Kf3Lz6Mx1Nv5Bq9Wr2Ty7Up4Ci0Eh' }
}

const NAMES = ['one', 'two'] as const

type Name = typeof NAMES[number]

const other = (name: Name): Name => name === 'one' ? 'two' : 'one'

async function twoServers (t: Test) {
  const store = createMemoryStore({ now: () => NOW })
  const scopes = new Map<Name, FastifyInstance>()
  const handled: string[] = []
  const { app, login } = await buildHost(t, {
    register: async (parent) => {
      for (const name of NAMES) {
        await parent.register(async (scope) => {
          scopes.set(name, scope)
          await scope.register(configSigning, {
            ...SERVERS[name], name, prefix: `/${name}`, store, now: () => NOW, allowedUrls: { server: [FILES], browser: [PAGES] }, authorize: { config: () => AUTHORIZATION }, limits: { address: { max: 4 } }
          })
          scope.post(`/${name}/callback`, { config: { public: true } }, scope.editorSignatures.requireCallback({ document: () => KEY, downloadOrigins: [DOCS] }, () => { handled.push(name) }))
          scope.get(`/${name}/file`, { config: { public: true }, onRequest: scope.editorSignatures.requireDownload({ origin: PAGES }) }, async () => 'bytes')
        })
      }
    }
  })
  const signaturesOf = (name: Name) => {
    const scope = scopes.get(name)
    if (scope === undefined) throw new TypeError('registered above')
    return scope.editorSignatures
  }
  const open = async (name: Name) => await post(app, `/${name}${CONFIG_PATH}`, {}, { 'sec-fetch-site': 'same-origin', ...login })
  return { app, open, signaturesOf, handled: () => handled.splice(0) }
}

inEveryHost(t, 'the tokens of one are refused at the other', async (t) => {
  const { app, open, signaturesOf, handled } = await twoServers(t)
  for (const name of NAMES) {
    const { token } = (await open(name)).json()
    t.match(await signaturesOf(name).verifyConfig(token), { accepted: true }, name)
    t.match(await signaturesOf(other(name)).verifyConfig(token), { accepted: false, code: 4006 }, name)
    t.match(await signaturesOf(other(name)).explain({ token }), { accepted: false, code: 4006 })

    const save = { token: bodyToken(SAVE, {}, SERVERS[name].outbox) }
    t.equal((await post(app, `/${other(name)}/callback`, save, {})).statusCode, 403)
    t.strictSame(handled(), [])
    t.strictSame((await post(app, `/${name}/callback`, save, {})).json(), { error: 0 })
    t.strictSame(handled(), [name])

    for (const at of NAMES) {
      const authorization = `Bearer ${headerToken({ url: `${PAGES}/${at}/file` }, {}, SERVERS[name].outbox)}`
      t.equal((await app.inject({ url: `/${at}/file`, headers: { authorization } })).statusCode, at === name ? 200 : 401, `${name} at ${at}`)
    }
  }
})

inEveryHost(t, 'over one store, each counts for itself and remembers its own callbacks', async (t) => {
  const { app, open, handled } = await twoServers(t)
  const events = recordEvents(t)
  for (let turn = 0; turn < 5; turn++) t.equal((await open('one')).statusCode, turn < 4 ? 200 : 429)
  t.equal((await open('two')).statusCode, 200)
  t.strictSame([...new Set(events().map(([, event]) => Reflect.get(event, 'name')))], NAMES)

  for (const name of NAMES) {
    const save = { token: bodyToken(SAVE, {}, SERVERS[name].outbox) }
    for (let turn = 0; turn < 3; turn++) t.strictSame((await post(app, `/${name}/callback`, save, {})).json(), { error: 0 })
    t.strictSame(handled(), [name], 'once, and again for the other')
  }
})
