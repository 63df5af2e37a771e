import { spawnSync } from 'node:child_process'
import { createReadStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { type CliProcess } from '../../../lib/cli/context.ts'
import { run } from '../../../lib/cli/run.ts'
import { EXPLAIN_KINDS } from '../../../lib/schemas/editor/explain.ts'
import { bodyToken, INBOX, NOW, OUTBOX, SAVE, SECONDS, sign } from '../../support/editor-tokens.ts'

const CONFIG = {
  document: { key: 'k1', url: 'https://app.example/a.docx?signature=abc', permissions: { edit: true } },
  editorConfig: { callbackUrl: 'https://app.example/callback', mode: 'edit', user: { id: 'u1' } },
  exp: SECONDS + 300
}

const GOOD = sign(CONFIG, INBOX)
const PARTIAL = sign({ document: { key: 'k1' }, exp: SECONDS - 100 }, INBOX)

interface Outcome { code: number, out: string, error: string }

interface Bench {
  folder: string
  /** A file of the folder, as a path. */
  file (name: string, text: string | Uint8Array): string
  cli (parts: { env?: CliProcess['env'], stdin?: CliProcess['stdin'] | string }, ...args: string[]): Promise<Outcome>
}

function build (t: Test): Bench {
  const folder = t.testdir({})
  return {
    folder,
    file: (name, text) => {
      writeFileSync(join(folder, name), text)
      return join(folder, name)
    },
    cli: async ({ env = { EDITOR_SECRET: INBOX, EDITOR_OUTBOX_SECRET: OUTBOX }, stdin }, ...args) => {
      let [out, error] = ['', '']
      const input = typeof stdin === 'string' ? (async function * () { yield stdin })() : stdin
      const code = await run(['explain', ...args], { env, stdout: { write: (text) => { out += text } }, stderr: { write: (text) => { error += text } }, stdin: input }, { now: () => NOW })
      for (const text of [INBOX, OUTBOX, GOOD, PARTIAL, CONFIG.document.url]) t.notOk(out.includes(text) && !args.includes('--json'), 'no secret, token or value in what is printed (T34)')
      for (const text of [INBOX, OUTBOX, GOOD, PARTIAL]) t.notOk(`${out}${error}`.includes(text), 'no secret or token anywhere (T34)')
      return { code, out, error }
    }
  }
}

t.test('a token that is accepted is 0', async (t) => {
  const { cli, file } = build(t)
  const accepted = { code: 0, out: 'The document server accepts the token, and the document opens for editing.\n', error: '' }
  t.strictSame(await cli({}, file('token', GOOD)), accepted, 'from a file')
  t.strictSame(await cli({}, file('line', `${GOOD}\n`)), accepted, 'with the line feed of an editor')
  t.strictSame(await cli({}, file('lines', `${GOOD}\r\n`)), accepted)
  t.strictSame(await cli({ stdin: `${GOOD}\n` }), accepted, 'from standard input')
  t.strictSame(await cli({ stdin: GOOD }, '-'), accepted)
  t.strictSame(await cli({ stdin: createReadStream(file('stream', GOOD), { highWaterMark: 7 }) }), accepted, 'in pieces')
  t.strictSame(await cli({ stdin: GOOD }, '--config', file('config.json', JSON.stringify(CONFIG))), accepted)
})

t.test('one that is refused is 1, and all that is wrong with it is printed', async (t) => {
  const { cli, file } = build(t)
  t.strictSame(await cli({ stdin: PARTIAL }, '--config', file('config.json', JSON.stringify({ ...CONFIG, document: { ...CONFIG.document, 'bad\u001b[2J': 1 } }))), {
    code: 1,
    error: '',
    out: `The document server refuses the token with 4005 (the editor shows error -21): exp was 100 seconds ago, and 60 are tolerated: the token has expired.

refused  exp was 100 seconds ago, and 60 are tolerated: the token has expired
         Sign when the page is made, not before, and compare the clocks of both sides.

refused  document.url is not in the token, and in the config it is
         Sign the whole config, as it is given to the editor.

refused  document.permissions is not in the token, and in the config it is
         Sign the whole config, as it is given to the editor.

refused  editorConfig.callbackUrl is not in the token, and in the config it is
         Sign the whole config, as it is given to the editor.

refused  editorConfig.mode is not in the token, and in the config it is
         Sign the whole config, as it is given to the editor.

warning  editorConfig.user is not signed: the browser says who its user is
         Sign the id of your user, as text that is not empty.
`
  })
  t.match(await cli({ stdin: '' }), { code: 1, out: /the token is missing/ })
  t.match(await cli({}), { code: 1, out: /the token is missing/ }, 'where there is no standard input')
  t.match(await cli({ stdin: INBOX }), { code: 1, out: /the token is the secret itself/ })
  t.match(await cli({ stdin: `${GOOD}\n\n` }), { code: 1, out: /white space around it/ }, 'one line feed is enough')
})

t.test('--json is one line for machines', async (t) => {
  const { cli } = build(t)
  const good = await cli({ stdin: GOOD }, '--json')
  t.match(good.out, /^\{[^\p{Cc}]*\}\n$/u)
  t.match({ ...good, out: JSON.parse(good.out) }, { code: 0, error: '', out: { accepted: true, code: null, problems: [], effective: { document: { key: 'k1' }, view: false } } })
  const bad = await cli({ stdin: PARTIAL }, '--json')
  t.match({ ...bad, out: JSON.parse(bad.out) }, { code: 1, out: { accepted: false, code: 4005, effective: null, problems: [{ path: 'exp', level: 'refused' }, { path: 'document.url' }] } })
  const evil = await cli({ stdin: sign({ ...CONFIG, document: { ...CONFIG.document, title: '\u001b[2J\u202e' } }, INBOX) }, '--json')
  t.match(evil.out, /^[^\p{Cc}\p{Cf}]*\n$/u, 'safe for a terminal')
})

t.test('every kind, each with the secret of its side', async (t) => {
  const { cli } = build(t)
  t.match(await cli({ stdin: bodyToken(SAVE) }, '--kind', 'callback'), { code: 0, out: 'The callback is accepted.\n' })
  t.match(await cli({ stdin: bodyToken(SAVE, {}, INBOX) }, '--kind=callback'), { code: 1, out: /is the inbox secret, and this takes the outbox secret/ }, 'who has the environment is told which secret it is')
  t.match(await cli({ stdin: bodyToken(SAVE, {}, INBOX), env: { EDITOR_SECRET: INBOX } }, '--kind=callback'), { code: 0 }, 'one secret for both sides')
  for (const kind of EXPLAIN_KINDS) t.match(await cli({ stdin: 'x' }, '--kind', kind), { code: 1, error: '' }, kind)
})

t.test('secrets come from variables or files, weak ones too', async (t) => {
  const { cli, file } = build(t)
  const weak = sign(CONFIG, 'secret')
  t.match(await cli({ stdin: weak, env: { EDITOR_SECRET: 'secret' } }), { code: 0, out: /opens for editing\.\n$/ })
  t.match(await cli({ stdin: weak, env: { EDITOR_SECRET: '', EDITOR_SECRET_FILE: file('secret', 'secret\n') } }), { code: 0, out: /opens for editing\.\n$/ })
  t.match(await cli({ stdin: bodyToken(SAVE), env: { EDITOR_SECRET: INBOX, EDITOR_OUTBOX_SECRET_FILE: file('outbox', OUTBOX) } }, '--kind', 'callback'), { code: 0 })

  const odd = [
    { env: { EDITOR_SECRET: '"secret"' }, says: /refused {2}the secret is configured here with quotes or white space[^]*warning {2}EDITOR_SECRET has quotes around the secret, which counts as a part of it\n {9}Remove it/ },
    { env: { EDITOR_SECRET: ' secret' }, says: /EDITOR_SECRET has white space around the secret/ },
    { env: { EDITOR_SECRET_FILE: file('spaced', 'secret \n') }, says: /EDITOR_SECRET_FILE has white space around the secret/ },
    { env: { EDITOR_SECRET: 'secret', EDITOR_OUTBOX_SECRET: "'secret'" }, says: /EDITOR_OUTBOX_SECRET has quotes around the secret/ }
  ]
  for (const { env, says } of odd) t.match(await cli({ stdin: weak, env }), { out: says })
  t.equal((await cli({ stdin: weak, env: { EDITOR_SECRET: '"secret"' } })).out.match(/quotes around the secret/g)?.length, 1, 'said once where it is the secret of both sides')
  t.match(await cli({ stdin: sign(CONFIG, '"secret"'), env: { EDITOR_SECRET: '"secret"' } }), { code: 0, out: /warning {2}EDITOR_SECRET has quotes/ }, 'a warning refuses nothing')
  t.match(JSON.parse((await cli({ stdin: weak, env: { EDITOR_SECRET: ' secret' } }, '--json')).out).problems.at(-1), { path: 'secret', level: 'warning', problem: /EDITOR_SECRET has white space/ })
})

t.test('a wrong command line, environment or file is 2, with one line that says why', async (t) => {
  const { cli, file, folder } = build(t)
  const none = {}
  const large = file('large', Buffer.alloc(1024 * 1024 + 1, 'x'))
  const token = file('token', GOOD)
  const secret = { EDITOR_SECRET: INBOX }
  const wrong: Array<{ name: string, args: string[], env?: CliProcess['env'], stdin?: CliProcess['stdin'] | string, says: RegExp }> = [
    ...['--secret', `--secret=${INBOX}`, '--inbox-secret', '--EDITOR_SECRET', '-secret'].map((arg) => ({ name: `${arg.slice(0, 9)}…`, args: [arg, INBOX], says: /"--secret": is not taken, because everybody on the machine can read a command line; set EDITOR_SECRET or EDITOR_SECRET_FILE/ })),
    { name: 'an unknown option', args: ['--nonsense\u0007'], says: /--nonsense/ },
    { name: 'an unknown kind', args: ['--kind', 'configs'], says: /"--kind": must be one of config, refreshFile/ },
    { name: 'no kind', args: ['--kind'], says: /--kind/ },
    { name: 'two files', args: [token, token], says: /"file": must be given once/ },
    { name: 'no secret', args: [token], env: none, says: /"EDITOR_SECRET": must be set, or EDITOR_SECRET_FILE/ },
    { name: 'an outbox secret alone', args: [token], env: { EDITOR_OUTBOX_SECRET: OUTBOX }, says: /"EDITOR_SECRET": must be set/ },
    { name: 'an empty secret (T32)', args: [token], env: { EDITOR_SECRET: '' }, says: /"EDITOR_SECRET": must be set/ },
    { name: 'a secret twice', args: [token], env: { EDITOR_SECRET: INBOX, EDITOR_SECRET_FILE: token }, says: /"EDITOR_SECRET": and EDITOR_SECRET_FILE cannot both be set/ },
    { name: 'a secret in an empty file (T32)', args: [token], env: { EDITOR_SECRET_FILE: file('empty', '\n') }, says: /"EDITOR_SECRET_FILE": names a file that is empty/ },
    { name: 'a secret in a file that is not there', args: [token], env: { ...secret, EDITOR_OUTBOX_SECRET_FILE: join(folder, 'none') }, says: /"EDITOR_OUTBOX_SECRET_FILE": cannot be read \(ENOENT\)/ },
    { name: 'a secret in place of its file', args: [token], env: { EDITOR_SECRET_FILE: INBOX }, says: /"EDITOR_SECRET_FILE": cannot be read \(ENOENT\)/ },
    { name: 'the token in place of its file', args: [GOOD], says: /"file": cannot be read \((?:ENOENT|ENAMETOOLONG)\): it is the name of a file, and the token itself goes to standard input/ },
    { name: 'a folder', args: [folder], says: /"file": cannot be read \(EISDIR\)/ },
    { name: 'a path that is none', args: ['a\0b'], says: /"file": cannot be read/ },
    { name: 'standard input that breaks', args: [], stdin: (async function * () { yield 'a'; throw new TypeError(GOOD) })(), says: /"file": cannot be read: / },
    { name: 'a token that is huge', args: [large], says: /"file": must have at most 1 MiB/ },
    { name: 'the same on standard input, however much there is', args: [], stdin: (async function * () { for (;;) yield 'x'.repeat(65_536) })(), says: /"file": must have at most 1 MiB/ },
    { name: 'a config that is huge', args: ['--config', large, token], says: /"--config": must have at most 1 MiB/ },
    { name: 'a config that is not there', args: ['--config', join(folder, 'none'), token], says: /"--config": cannot be read/ },
    { name: 'a config that is not JSON', args: ['--config', token, token], says: /"--config": must name a file with JSON in it/ },
    ...['[]', 'null', '1', '"x"'].map((text) => ({ name: `a config ${text}`, args: ['--config', file(`config-${text.length}`, text), token], says: /"--config": must name a file with a JSON object in it/ }))
  ]
  for (const { name, args, env = secret, stdin, says } of wrong) {
    await t.test(name, async (t) => {
      const { code, out, error } = await cli({ env, stdin }, ...args)
      t.equal(code, 2)
      t.equal(out, '')
      t.match(error, says)
      t.match(error, /^fastify-doc-tokens: [^\p{Cc}]+\n$/u, 'one safe line')
    })
  }
  t.match(await cli({ stdin: file('just', Buffer.alloc(1024 * 1024, 'x')) }), { code: 1 }, 'a path on standard input is no token')
  t.match(await cli({}, file('most', Buffer.alloc(1024 * 1024, 'x'))), { code: 1, out: /three parts/ }, '1 MiB is not too much')
})

t.test('help', async (t) => {
  const { cli } = build(t)
  for (const help of ['--help', '-h']) {
    t.match(await cli({ env: {} }, help), { code: 0, error: '', out: /^Usage: fastify-doc-tokens explain [^]*--config[^]*--kind[^]*--json[^]*EDITOR_SECRET_FILE[^]*exit code is 0 when the token is accepted, 1 when it is refused, 2 when/ })
  }
  const { out } = await cli({}, '-h')
  for (const kind of EXPLAIN_KINDS) t.match(out, new RegExp(` ${kind}\\b`))
  t.notOk(out.split('\n').some((line) => line.length > 120))
})

t.test('who sits at a terminal is asked, others are not', async (t) => {
  const { cli } = build(t)
  const lines = (isTTY: boolean) => Object.assign((async function * () { yield `${GOOD}\n` })(), { isTTY })
  t.strictSame(await cli({ stdin: lines(true) }), { code: 0, out: 'The document server accepts the token, and the document opens for editing.\n', error: 'Paste the token, and end with Enter and Ctrl-D:\n' })
  t.match(await cli({ stdin: lines(false) }), { code: 0, error: '' })
})

t.test('standard input is opened only where it is read', async (t) => {
  let asked = 0
  const host = { env: { EDITOR_SECRET: INBOX }, stdout: { write: () => {} }, stderr: { write: () => {} }, get stdin () { asked++; return undefined } }
  for (const args of [['--version'], ['explain', '--help'], ['explain', '--kind', 'x']]) await run(args, host)
  t.equal(asked, 0)
  await run(['explain'], host)
  t.ok(asked > 0)
})

t.test('as a program', async (t) => {
  const main = fileURLToPath(new URL('../../../lib/cli/main.ts', import.meta.url))
  const program = (input: string) => spawnSync(process.execPath, [...process.execArgv, main, 'explain', '--json'], { encoding: 'utf8', env: { ...process.env, EDITOR_SECRET: INBOX }, input })
  const lasting = { ...CONFIG, exp: undefined }
  t.match(program(`${sign(lasting, INBOX)}\n`), { status: 0, stdout: /^\{"accepted":true/ })
  t.match(program(sign(lasting, 'other')), { status: 1, stdout: /^\{"accepted":false/ })
})
