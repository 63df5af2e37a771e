import { spawn, type ChildProcess } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'

// A small tree of the same shape, whose only dependency is a folder: it needs no network. The compiler is a stand-in
// that notes when it ran and, when asked to, waits or fails. So is npm, but for two tests, because it takes its time.
const COMPILER = `
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
appendFileSync('builds.log', 'start ')
while (existsSync('hold')) await sleep(20)
if (existsSync('fail')) process.exit(3)
mkdirSync('dist/lib', { recursive: true })
const sources = readdirSync('lib')
const record = JSON.stringify(sources.map((name) => readFileSync('lib/' + name, 'utf8')))
const known = existsSync('dist/.tsbuildinfo') && readFileSync('dist/.tsbuildinfo', 'utf8') === record
for (const name of known ? [] : sources) {
  for (const end of ['.js', '.d.ts']) writeFileSync('dist/lib/' + name.replace('.ts', end), readFileSync('lib/' + name))
}
writeFileSync('dist/.tsbuildinfo', record)
appendFileSync('builds.log', 'end ')
`

// Like npm, it empties node_modules first and writes its list of what is there last.
const NPM = `
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
const [command, ...flags] = process.argv.slice(2)
if (command === 'run') await import(process.cwd() + '/compiler.mjs')
if (command === 'ci') {
  appendFileSync('installs.log', 'start ')
  rmSync('node_modules', { recursive: true, force: true })
  if (flags.includes('--include=dev')) {
    mkdirSync('node_modules/small', { recursive: true })
    writeFileSync('node_modules/small/package.json', readFileSync('small/package.json'))
  }
  while (existsSync('hold-install')) await sleep(20)
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'))
  delete packages['']
  delete packages['node_modules/other-platform']
  writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages }))
  appendFileSync('installs.log', 'end ')
}
`

interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

interface Tree {
  path: (...names: string[]) => string
  write: (name: string, content: string) => void
  writeJson: (name: string, content: object) => void
  read: (name: string) => string
  start: (environment?: Record<string, string>) => { child: ChildProcess, outcome: Promise<Outcome> }
  run: (environment?: Record<string, string>) => Promise<Outcome>
}

const INSTALL = 'setup: installing dependencies'
const BUILD = 'setup: building'

function makeTree (t: Test, { realNpm = false } = {}): Tree {
  const root = join(mkdtempSync(join(tmpdir(), 'setup-test-')), 'a folder')
  t.teardown(() => { rmSync(dirname(root), { recursive: true, force: true, maxRetries: 5 }) })

  const path = (...names: string[]): string => join(root, ...names)
  const write = (name: string, content: string): void => {
    mkdirSync(dirname(path(name)), { recursive: true })
    writeFileSync(path(name), content)
  }
  const writeJson = (name: string, content: object): void => { write(name, JSON.stringify(content)) }
  const read = (name: string): string => readFileSync(path(name), 'utf8')

  const manifest = {
    name: 'tree',
    version: '1.0.0',
    type: 'module',
    bin: { tree: 'dist/lib/main.js' },
    scripts: { build: 'node compiler.mjs' },
    devDependencies: { small: 'file:small' }
  }
  writeJson('package.json', manifest)
  writeLock(writeJson, '1.0.0')
  writeJson('tsconfig.json', {})
  writeJson('tsconfig.build.json', {})
  write('compiler.mjs', COMPILER)
  write('npm/npm-cli.js', NPM)
  write('lib/main.ts', 'main')
  write('lib/other.ts', 'other')
  copyFileSync(join(import.meta.dirname, '..', 'setup.mjs'), path('setup.mjs'))

  const start: Tree['start'] = (environment = {}) => {
    // Nothing of the npm around this test, nor of tap, whose hooks `env` keeps out of a hundred processes.
    const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|tap|_tapjs)/i.test(name)))
    const npm = realNpm ? {} : { npm_execpath: path('npm', 'npm-cli.js') }
    const child = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, path('setup.mjs')], { cwd: tmpdir(), env: { ...inherited, ...npm, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => { stdout += text })
    child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
    return { child, outcome: new Promise((resolve, reject) => { child.on('error', reject).on('close', (code) => { resolve({ code, stdout, stderr }) }) }) }
  }
  return { path, write, writeJson, read, start, run: (environment) => start(environment).outcome }
}

function writeLock (writeJson: Tree['writeJson'], version: string): void {
  writeJson('small/package.json', { name: 'small', version })
  writeJson('package-lock.json', {
    name: 'tree',
    version: '1.0.0',
    lockfileVersion: 3,
    requires: true,
    packages: {
      '': { name: 'tree', version: '1.0.0', devDependencies: { small: 'file:small' } },
      'node_modules/small': { resolved: 'small', link: true },
      small: { version, dev: true },
      'node_modules/other-platform': { version: '1.0.0', dev: true, optional: true, os: ['nowhere'] }
    }
  })
}

/** What setup itself said. npm's own words are between. */
function said ({ stderr }: Outcome): string[] {
  return stderr.split('\n').filter((line) => line.startsWith('setup: '))
}

/** The time of the last change of everything in a folder. */
function times (folder: string): Record<string, number> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return Object.fromEntries(['', ...names].map((name) => [name, statSync(join(folder, name)).mtimeMs]))
}

async function until (condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20)
}

t.test('a fresh tree is installed and built, once', async (t) => {
  const tree = makeTree(t, { realNpm: true })
  const first = await tree.run()
  t.equal(first.code, 0, first.stderr)
  t.same(said(first), [INSTALL, BUILD])
  t.equal(first.stdout, '', 'standard output belongs to what comes next')
  t.ok(existsSync(tree.path('node_modules', 'small', 'package.json')))
  t.equal(tree.read('dist/lib/main.js'), 'main')
  t.equal(statSync(tree.path('dist', 'lib', 'main.js')).mode & 0o111, 0o111, 'the command can be executed')

  const before = times(tree.path())
  t.same(await tree.run(), { code: 0, stdout: '', stderr: '' })
  t.same(times(tree.path()), before, 'nothing is written when there is nothing to do')
})

t.test('development dependencies are installed in production too', async (t) => {
  const tree = makeTree(t, { realNpm: true })
  t.equal((await tree.run({ NODE_ENV: 'production' })).code, 0)
  t.ok(existsSync(tree.path('node_modules', 'small', 'package.json')))
})

t.test('dependencies that are not whole are installed again', async (t) => {
  const tree = makeTree(t)
  await tree.run()
  const damages: Record<string, () => void> = {
    'an install that was killed': () => { rmSync(tree.path('node_modules', '.package-lock.json')) },
    'a package that was removed': () => { rmSync(tree.path('node_modules', 'small'), { recursive: true }) },
    'another version of Node.js': () => { tree.write('node_modules/.setup-stamp', 'linux x64 1') }
  }
  for (const [name, damage] of Object.entries(damages)) {
    damage()
    const outcome = await tree.run()
    t.same([outcome.code, said(outcome)], [0, [INSTALL]], name)
    t.equal((await tree.run()).stderr, '', `${name}: once`)
  }
})

t.test('dependencies follow the lock file', async (t) => {
  const tree = makeTree(t)
  await tree.run()
  writeLock(tree.writeJson, '1.1.0')
  const outcome = await tree.run()
  t.same([outcome.code, said(outcome)], [0, [INSTALL, BUILD]])
})

t.test('an install by hand is as good', async (t) => {
  const tree = makeTree(t)
  await tree.run()
  rmSync(tree.path('node_modules', '.setup-stamp'))
  t.same(await tree.run(), { code: 0, stdout: '', stderr: '' })
  t.ok(existsSync(tree.path('node_modules', '.setup-stamp')))
})

t.test('a lock file that does not fit is no reason to throw node_modules away', async (t) => {
  const tree = makeTree(t)
  await tree.run()
  const manifest = JSON.parse(tree.read('package.json'))
  tree.writeJson('package.json', { ...manifest, devDependencies: {} })
  const outcome = await tree.run()
  t.equal(outcome.code, 1)
  t.same(outcome.stderr, 'setup: package-lock.json does not fit package.json: run npm install\n')
  t.ok(existsSync(tree.path('node_modules', 'small')))
})

t.test('the build follows the sources', async (t) => {
  const tree = makeTree(t)
  await tree.run()
  const buildByHand = (content: string): void => {
    tree.write('dist/lib/main.js', content)
    tree.write('dist/.tsbuildinfo', content)
  }
  const changes: Record<string, () => void> = {
    'no build at all': () => { rmSync(tree.path('dist'), { recursive: true }) },
    'a source that changed': () => { tree.write('lib/main.ts', 'changed') },
    'a source that is new': () => { tree.write('lib/new.ts', 'new') },
    'a source that is gone': () => { rmSync(tree.path('lib', 'other.ts')) },
    'an output that is gone': () => { rmSync(tree.path('dist', 'lib', 'main.js')) },
    'a build of other sources by hand': () => { buildByHand('edited') },
    'a setting that changed': () => { tree.writeJson('tsconfig.json', { compilerOptions: {} }) }
  }
  for (const [name, change] of Object.entries(changes)) {
    change()
    const outcome = await tree.run()
    t.same([outcome.code, said(outcome)], [0, [BUILD]], name)
    t.equal((await tree.run()).stderr, '', `${name}: once`)
    t.equal(tree.read('dist/lib/main.js'), tree.read('lib/main.ts'), name)
  }
  t.same(readdirSync(tree.path('dist', 'lib')).sort(), ['main.d.ts', 'main.js', 'new.d.ts', 'new.js'], 'nothing is left of a source that is gone')
})

t.test('a build that fails is told in a line, and tried again', async (t) => {
  const tree = makeTree(t)
  tree.write('fail', '')
  for (const expected of [[INSTALL, BUILD], [BUILD]]) {
    const outcome = await tree.run()
    t.equal(outcome.code, 1)
    t.same(said(outcome), [...expected, 'setup: npm build failed (3), see above; the next run tries again'])
  }
  rmSync(tree.path('fail'))
  t.equal((await tree.run()).code, 0)
})

t.test('several at once: one works, the others wait', async (t) => {
  const tree = makeTree(t)
  const outcomes = await Promise.all(Array.from({ length: 4 }, () => tree.run()))
  t.same(outcomes.map(({ code }) => code), [0, 0, 0, 0], outcomes.map(({ stderr }) => stderr).join('\n'))
  t.equal(outcomes.flatMap(said).filter((line) => line === INSTALL).length, 1)
  t.equal(tree.read('installs.log'), 'start end ')
  t.equal(tree.read('builds.log'), 'start end ')
  t.same(readdirSync(tree.path('dist')).sort(), ['.setup-stamp', '.tsbuildinfo', 'lib'], 'no lock is left')
})

t.test('who was killed holds nobody up, but what it started is waited for', async (t) => {
  const tree = makeTree(t)
  tree.write('hold', '')
  const { child, outcome } = tree.start()
  await until(() => existsSync(tree.path('builds.log')))
  child.kill('SIGKILL')
  await new Promise((resolve) => { child.once('exit', resolve) })

  const next = [tree.run(), tree.run(), tree.run()]
  await sleep(1000)
  t.equal(tree.read('builds.log'), 'start ', 'the build of the killed one is still at work')
  rmSync(tree.path('hold'))

  t.same((await Promise.all(next)).map(({ code }) => code), [0, 0, 0])
  t.equal((await outcome).code, null)
  t.equal(tree.read('builds.log'), 'start end start end ')
  t.same(readdirSync(tree.path('dist')).sort(), ['.setup-stamp', '.tsbuildinfo', 'lib'])
})

t.test('an install that was killed half way is repaired', async (t) => {
  const tree = makeTree(t)
  tree.write('hold-install', '')
  const { child, outcome } = tree.start()
  await until(() => existsSync(tree.path('node_modules', 'small', 'package.json')))
  // npm first, which is what setup would notice; then setup, before it can tidy up.
  child.kill('SIGSTOP')
  process.kill(JSON.parse(tree.read('dist/.setup-lock/child.json')).pid, 'SIGKILL')
  child.kill('SIGKILL')
  await outcome
  rmSync(tree.path('hold-install'))

  const next = await tree.run()
  t.same([next.code, said(next)], [0, [INSTALL, BUILD]])
  t.equal(tree.read('installs.log'), 'start start end ')
})
