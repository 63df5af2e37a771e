/**
 * The suite on the supported lines of Node.js that are not the one that runs this, three files at a time. Without coverage, which
 * `npm test` has counted, and without a compiler: these lines strip types by themselves. Needs a build in dist and the npm registry.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { provideNodes } from './nodes.mjs'

const root = join(import.meta.dirname, '..', '..')

/** What the example answers is the same on all lines. Of its tests, those run elsewhere that are about how it runs. */
const CONTENT = ['audit-log', 'cad-editor', 'editor', 'editor-save', 'environment', 'openapi', 'secrecy-net'].map((name) => join('examples', `${name}.test.ts`))

const files = readdirSync(join(root, 'test'), { recursive: true })
  .filter((name) => name.endsWith('.test.ts') && !CONTENT.includes(name))
  .map((name) => join('test', name))

/** What tap itself gives to each file, but for the compiler. */
const MOCKS = `--import=${import.meta.resolve('@tapjs/mock/import')}`

/** Files at a time. */
const JOBS = 3

/** Seconds that a file may take. */
const TIMEOUT = 120

/** Runs one file. Resolves to what is wrong, or to nothing. */
async function run (node, file) {
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}`, TAP_TIMEOUT: String(TIMEOUT) }
  const child = spawn(node, [MOCKS, file], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT * 1000, killSignal: 'SIGKILL' })
  const ended = new Promise((resolve) => { child.once('close', (code) => resolve(code)) })
  const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  const isGreen = code === 0 && /^\s*ok \d+ /m.test(output) && !/^\s*not ok /m.test(output) && !/ # (?:SKIP|TODO)\b/i.test(output)
  return { passed: output.match(/^\s*ok \d+ /gm)?.length ?? 0, ...(!isGreen && { trouble: `${file}: exit ${code}\n${output.slice(-8000)}\n${errors.slice(-4000)}` }) }
}

/** Runs all files. Resolves to whether all is well. */
async function runAll (node) {
  const waiting = [...files]
  let passed = 0
  let isGreen = true
  await Promise.all(Array.from({ length: JOBS }, async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const result = await run(node, file)
      passed += result.passed
      if (result.trouble === undefined) continue
      isGreen = false
      console.error(result.trouble)
    }
  }))
  console.log(`${files.length} files, ${passed} passed`)
  return isGreen && passed > 0
}

const folder = mkdtempSync(join(tmpdir(), 'fastify-doc-tokens-nodes-'))
try {
  for (const node of provideNodes(folder).filter((node) => node !== process.execPath)) {
    console.log(`Node.js ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()}`)
    if (!await runAll(node)) process.exitCode = 1
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
