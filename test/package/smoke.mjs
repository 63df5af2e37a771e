/**
 * What a user gets: packs the package, installs the tarball in empty folders, and loads, registers, type checks and
 * runs it there on every supported line of Node.js. Needs a build in dist and the npm registry.
 *
 * `node test/package/smoke.mjs` prints a line per check and ends with an error at the first one that fails.
 */
import { strict as assert } from 'node:assert'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { npm, provideNodes } from './nodes.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '..', '..')
const manifest = readJson(join(root, 'package.json'))
const subpaths = Object.keys(manifest.exports)
const optionalPeers = Object.keys(manifest.peerDependenciesMeta ?? {})
const peers = Object.keys(manifest.peerDependencies).filter((name) => !optionalPeers.includes(name))

const work = realpathSync(mkdtempSync(join(tmpdir(), 'fastify-doc-tokens-smoke-')))
try {
  const tarball = pack()
  const nodes = provideNodes(makeFolder('nodes'))
  const full = install('full', tarball, [...peers, ...optionalPeers, 'typescript', '@types/node'], tested)
  const bare = install('bare', tarball, peers, tested)
  const oldest = install('oldest', tarball, [...peers, ...optionalPeers], (name) => /\d+\.\d+\.\d+/.exec(manifest.peerDependencies[name])[0])
  const newest = install('newest', tarball, [...peers, ...optionalPeers, 'typescript', '@types/node'], () => 'latest')
  const plain = install('plain', tarball, [...peers, 'typescript', '@types/node'], () => 'latest')

  for (const folder of [full, newest, plain]) checkTypes(folder)
  for (const folder of [oldest, newest]) probe(process.execPath, folder, 'import', [])
  for (const node of nodes) {
    for (const mode of ['import', 'require']) {
      probe(node, full, mode, [])
      probe(node, bare, mode, optionalPeers)
    }
    checkCommands(node, full)
  }
  for (const command of Object.keys(manifest.bin)) showsUsage(command, npm(full, 'exec', '--no', '--', command, '--help'))
} finally {
  rmSync(work, { recursive: true, force: true })
}

/** The tarball holds what `files` lists, all that `exports` and `bin` point to, and nothing else. */
function pack () {
  const [{ filename, files }] = JSON.parse(npm(root, 'pack', '--json', '--ignore-scripts', '--pack-destination', work))
  const packed = files.map((file) => file.path)
  const always = ['package.json', 'README.md', 'LICENSE']

  const covers = (entry) => (path) => path === entry || path.startsWith(`${entry}/`)
  const stray = packed.filter((path) => ![...manifest.files, ...always].some((entry) => covers(entry)(path)))
  assert.deepEqual(stray, [], 'files in the tarball that package.json does not list')
  for (const entry of [...manifest.files, ...always]) assert.ok(packed.some(covers(entry)), `${entry} is missing in the tarball`)

  const targets = [...Object.values(manifest.exports), manifest.bin].flatMap((entry) => typeof entry === 'string' ? [entry] : Object.values(entry))
  for (const target of targets) assert.ok(packed.includes(target.replace(/^\.\//, '')), `${target} is missing in the tarball`)

  for (const path of packed.filter((path) => path.startsWith('dist/'))) {
    const source = path.replace(/^dist\//, '').replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts')
    assert.ok(packed.includes(source), `${path} has no source: dist is stale`)
  }
  pass(`${filename}: ${packed.length} files`)
  return join(work, filename)
}

/** The version that this project is tested with. */
function tested (name) {
  return readJson(join(root, 'node_modules', name, 'package.json')).version
}

/** A folder of a user, with the package and the named others. */
function install (name, tarball, names, versionOf) {
  const folder = makeFolder(name)
  npm(folder, 'install', tarball, ...names.map((other) => `${other}@${versionOf(other)}`))
  for (const file of ['probe.mjs', 'uses.mjs']) copyFileSync(join(here, file), join(folder, file))
  pass(`${name}: installed with ${names.map((other) => `${other} ${readJson(join(folder, 'node_modules', other, 'package.json')).version}`).join(', ')}`)
  return folder
}

function checkTypes (folder) {
  const lines = subpaths.filter((subpath) => subpath !== './package.json')
    .map((subpath, index) => `import * as part${index} from '${nameOf(subpath)}'\nexport const check${index}: object = part${index}\n`)
  writeFileSync(join(folder, 'check.ts'), lines.join(''))
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: { target: 'es2023', module: 'nodenext', strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, noEmit: true, types: ['node'] },
    files: ['check.ts']
  }))
  const { stdout } = spawnSync(process.execPath, [join(folder, 'node_modules', 'typescript', 'bin', 'tsc'), '--pretty', 'false'], { cwd: folder, encoding: 'utf8' })
  assert.deepEqual(stdout.split('\n').filter((line) => /\berror TS\d/.test(line)), [])
  pass('types of every subpath')
}

function probe (node, folder, mode, absent) {
  const flows = subpaths.filter((subpath) => targetOf(subpath).startsWith('./dist/plugins/')).map(nameOf)
  run(node, ['probe.mjs', mode, JSON.stringify({ names: subpaths.map(nameOf), flows, absent })], folder)
  const version = run(node, ['--version'], folder).trim()
  pass(`${version} ${mode}, ${absent.length === 0 ? 'with all peers' : `without ${absent.join(', ')}`}`)
}

function checkCommands (node, folder) {
  for (const [command, target] of Object.entries(manifest.bin)) {
    showsUsage(command, run(node, [join(folder, 'node_modules', manifest.name, target), '--help'], folder))
  }
}

function showsUsage (command, text) {
  assert.ok(text.includes(`Usage: ${command}`), `${command} --help shows no usage`)
  pass(`${command} --help`)
}

// ---- helpers ------------------------------------------------------------------------------

function nameOf (subpath) {
  return subpath.replace(/^\./, manifest.name)
}

function targetOf (subpath) {
  const entry = manifest.exports[subpath]
  return typeof entry === 'string' ? entry : entry.default
}

function makeFolder (name) {
  const folder = join(work, name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: `smoke-${name}`, private: true, type: 'module' }))
  return folder
}

/** What the command printed. A word on standard error, a warning say, is a failure too. */
function run (command, args, folder) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: folder, encoding: 'utf8', timeout: 180_000 })
  if (error !== undefined) throw error
  assert.ok(status === 0 && stderr === '', `${command} ${args.slice(0, 2).join(' ')} ended with ${status}\n${stdout}${stderr}`)
  return stdout
}

function readJson (file) {
  return JSON.parse(readFileSync(file, 'utf8'))
}

function pass (text) {
  process.stdout.write(`ok: ${text}\n`)
}
