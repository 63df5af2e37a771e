/**
 * The whole suite on the supported lines of Node.js that are not the one that runs this, two files at a time. Without coverage, which
 * `npm test` has counted. Needs a build in dist and the npm registry.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { provideNodes } from './nodes.mjs'

const root = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'fastify-doc-tokens-nodes-'))
try {
  for (const node of provideNodes(folder).filter((node) => node !== process.execPath)) {
    const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` }
    console.log(`Node.js ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()}`)
    const { status } = spawnSync(node, [join(root, 'node_modules', 'tap', 'dist', 'esm', 'run.mjs'), '--disable-coverage', '--jobs=2', '--reporter=terse'], { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] })
    if (status !== 0) process.exitCode = 1
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
