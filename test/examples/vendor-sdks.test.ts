/** SDKs of the vendor, unmodified, against the example server. They are installed beside this package, by a package.json of their own. */
import { copyFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ROOT, run, startServer } from '../support/example-server.ts'

const FOLDER = join(ROOT, 'test/vendor-sdks')
const ID = '5e1f0f4c-7a53-4c1e-9d5f-2f8a6f0b4711'
const SECRET = 'a secret of the demo & its client: 100% +/='

type Lock = { packages: Record<string, { version?: string }> }

/** Whether what is there is what package-lock.json lists. npm writes its own list last. */
function isInstalled (): boolean {
  const list = join(FOLDER, 'node_modules/.package-lock.json')
  if (!existsSync(list)) return false
  const [wanted, found] = [join(FOLDER, 'package-lock.json'), list].map((file) => (JSON.parse(readFileSync(file, 'utf8')) as Lock).packages)
  return Object.entries(wanted ?? {}).every(([name, { version }]) => name === '' || found?.[name]?.version === version)
}

/** Elsewhere first, and then in one step, so that several may install at once and one may be killed. Tells why it cannot be done where nobody could do it. */
async function install (t: Test): Promise<string | false> {
  if (isInstalled()) return false
  // Ignored by git, and on the same disk.
  const draft = mkdtempSync(join(ROOT, 'dist/.vendor-sdks-'))
  try {
    for (const name of ['package.json', 'package-lock.json', '.npmrc']) copyFileSync(join(FOLDER, name), join(draft, name))
    // Proxies and registries are told to npm by its environment.
    const { code, stderr } = await run(t, 'npm', ['ci', '--prefix', draft, '--ignore-scripts', '--fetch-retries=1'], { env: process.env as Record<string, string> })
    const isOffline = code !== 0 && /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT/.test(stderr)
    if (isOffline && process.env['CI'] !== 'true' && process.env['CI'] !== '1') return 'the SDKs cannot be installed without a network'
    if (code !== 0) throw new Error(`npm ci ended with ${code}: ${stderr}`)
    if (existsSync(join(FOLDER, 'node_modules')) && !isInstalled()) renameSync(join(FOLDER, 'node_modules'), join(draft, 'outdated'))
    try {
      renameSync(join(draft, 'node_modules'), join(FOLDER, 'node_modules'))
    } catch (error) {
      // Somebody else was faster.
      if (!isInstalled()) throw error
    }
    return false
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

/** Each in a process of its own: two calls, then one with a token that was ended meanwhile, then one with a wrong secret. */
const CALLS = {
  'groupdocs-conversion-cloud': `
    const { Configuration, GetSupportedConversionTypesRequest, InfoApi } = require(folder + '/node_modules/groupdocs-conversion-cloud')
    const create = (secret) => {
      const configuration = new Configuration(id, secret)
      configuration.apiBaseUrl = url
      const api = InfoApi.fromConfig(configuration)
      return { call: () => api.getSupportedConversionTypes(new GetSupportedConversionTypesRequest(undefined, undefined, 'docx')), token: () => configuration.authentication.accessToken }
    }
  `,
  asposeslidescloud: `
    const { SlidesApi } = require(folder + '/node_modules/asposeslidescloud')
    const create = (secret) => {
      const api = new SlidesApi(id, secret, url)
      return { call: async () => (await api.storageExists('MyStorage')).body, token: () => api.configuration.accessToken }
    }
  `
}
const FRAME = `
  const settle = (promise) => promise.then((value) => ({ value }), ({ message, code }) => ({ message, code }))
  const main = async () => {
    const { call, token } = create(secret)
    const answers = [await settle(call()), await settle(call())]
    const body = new URLSearchParams({ token: token(), client_id: id, client_secret: secret })
    const { status } = await fetch(url + '/connect/revocation', { method: 'POST', body })
    answers.push({ status }, await settle(call()), await settle(create('wrong').call()))
    console.log(JSON.stringify(answers))
  }
  main()
`

const DOCX = [{ sourceFormat: 'docx', targetFormats: ['html'] }]
const EXPECTED = {
  // It never asks for another token before its own says that it is over.
  'groupdocs-conversion-cloud': { tokens: 1, answers: [{ value: DOCX }, { value: DOCX }, { status: 200 }, { message: 'invalid_token', code: 401 }, { message: 'invalid_client', code: 400 }] },
  // It asks again after a 401, once.
  asposeslidescloud: { tokens: 2, answers: [{ value: { exists: true } }, { value: { exists: true } }, { status: 200 }, { value: { exists: true } }, { message: 'invalid_client', code: 401 }] }
}

const missing = await install(t)

t.test('SDKs of the vendor', { skip: missing }, async (t) => {
  const { url, dataDir } = await startServer(t, { env: { DEMO_CLIENT_ID: ID, DEMO_CLIENT_SECRET: SECRET } })
  const count = (event: string) => readFileSync(join(dataDir, 'audit.jsonl'), 'utf8').split(`"event":"${event}","flow":"client-credentials"`).length - 1

  for (const name of ['groupdocs-conversion-cloud', 'asposeslidescloud'] as const) {
    await t.test(`${name}: two calls, one token`, async (t) => {
      const before = { issued: count('issued'), verified: count('verified') }
      const script = `const [folder, url, id, secret] = process.argv.slice(1)\n${CALLS[name]}\n${FRAME}`
      const { code, stdout } = await run(t, process.execPath, ['--no-deprecation', '--eval', script, FOLDER, url, ID, SECRET])
      t.equal(code, 0)
      t.strictSame(JSON.parse(stdout), EXPECTED[name].answers)

      t.equal(count('issued') - before.issued, EXPECTED[name].tokens)
      t.equal(count('verified') - before.verified, EXPECTED[name].tokens + 1)
    })
  }
})
