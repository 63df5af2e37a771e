/**
 * Makes the tree ready to run: installs what package-lock.json lists and builds dist, where needed.
 *
 * It runs before `npm start` and `npm test`, needs nothing but Node.js and npm, tells on standard error
 * what it does, and is silent when there is nothing to do. It may be killed at any time: the next run
 * repairs what was left. Several at once are fine, the others wait for the first.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, dirname, join, relative, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'

const SOURCES = ['lib', 'plugins', 'examples']
const SETTINGS = ['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json']
const DEPENDENCIES = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies']
const SECONDS_UNTIL_NOTICE = 3
const MINUTES_UNTIL_GIVING_UP = 15

const root = dirname(fileURLToPath(import.meta.url))
const path = (...names) => join(root, ...names)
const dist = path('dist')
const lock = path('dist', '.setup-lock')
const installRecord = path('node_modules', '.package-lock.json')
const installStamp = path('node_modules', '.setup-stamp')
const buildStamp = path('dist', '.setup-stamp')
const buildInfo = path('dist', '.tsbuildinfo')

// A change of any of these can leave compiled add-ons that do not load.
const runtime = `${process.platform} ${process.arch} ${process.versions.modules}`

try {
  await main()
} catch (error) {
  say(['EACCES', 'EPERM', 'EROFS'].includes(error.code) ? `cannot write here: ${error.message}` : error.message)
  process.exitCode = 1
}

async function main () {
  if (isInstalled() && isBuilt()) return

  mkdirSync(dist, { recursive: true })
  await acquireLock()
  try {
    if (!isInstalled()) await install()
    if (!isBuilt()) await build()
  } finally {
    // If it cannot go, it is an abandoned one as soon as this process has ended.
    ignoreErrors(() => discard(lock))
  }
}

// ---- dependencies -------------------------------------------------------------------------

/**
 * Whether node_modules is whole and what package-lock.json lists. npm writes its own list of what is there
 * as the last act of an install, so a killed one has none and an install by hand counts as well.
 */
function isInstalled () {
  const { packages: wanted } = JSON.parse(readFileSync(path('package-lock.json'), 'utf8'))
  const manifest = JSON.parse(readFileSync(path('package.json'), 'utf8'))
  if (DEPENDENCIES.some((kind) => !isDeepStrictEqual(wanted[''][kind] ?? {}, manifest[kind] ?? {}))) {
    throw new Error('package-lock.json does not fit package.json: run npm install')
  }

  const found = readJson(installRecord)?.packages
  if (found === undefined) return false

  const stamp = readText(installStamp)
  if (stamp !== undefined && stamp !== runtime) return false

  for (const [name, { version, integrity, optional }] of Object.entries(wanted)) {
    if (name === '') continue
    const there = found[name]
    // An optional package is absent where it does not fit the platform.
    if (there === undefined ? !optional : there.version !== version || there.integrity !== integrity) return false
  }
  if (!Object.keys(found).every((name) => existsSync(path(name, 'package.json')))) return false

  // An install by hand. Without the stamp it is just as good, so a read-only tree is no failure.
  if (stamp === undefined) ignoreErrors(() => writeFileSync(installStamp, runtime))
  return true
}

async function install () {
  say('installing dependencies')
  // A removal that is cut short would leave both beside half a tree.
  for (const file of [installStamp, installRecord]) rmSync(file, { force: true })
  await npm('ci', '--include=dev', '--no-audit', '--no-fund')
  writeFileSync(installStamp, runtime)
}

// ---- build --------------------------------------------------------------------------------

/** Every source, relative to the root and without `.ts`. */
function listSources () {
  const names = SOURCES.filter((folder) => existsSync(path(folder)))
    .flatMap((folder) => readdirSync(path(folder), { recursive: true }).map((name) => join(folder, name)))
  return names.filter((name) => name.endsWith('.ts')).map((name) => name.slice(0, -'.ts'.length)).sort()
}

/** By content, since a checkout makes old files new and new files old. */
function digestSources (sources) {
  const hash = createHash('sha256')
  for (const name of [...SETTINGS, ...sources.map((source) => `${source}.ts`)]) {
    const content = readFileSync(path(name))
    hash.update(`${name.split(sep).join('/')} ${content.length}\n`).update(content)
  }
  return hash.digest('hex')
}

/** The compiler's own record is part of the stamp, so that a build by hand between two states of the sources is noticed. */
function stampOf (digest) {
  return `${digest} ${createHash('sha256').update(readText(buildInfo) ?? '').digest('hex')}`
}

function isWhole (sources) {
  return sources.every((name) => existsSync(path('dist', `${name}.js`)) && existsSync(path('dist', `${name}.d.ts`)))
}

function isBuilt () {
  const stamp = readText(buildStamp)
  if (stamp === undefined) return false
  const sources = listSources()
  return stamp === stampOf(digestSources(sources)) && isWhole(sources)
}

async function build () {
  say('building')
  const sources = listSources()
  const digest = digestSources(sources)
  rmSync(buildStamp, { force: true })
  removeStaleOutput(sources)
  // The compiler believes its record and would not write a missing file again.
  if (!isWhole(sources)) rmSync(buildInfo, { force: true })

  await npm('run', '--silent', 'build')

  const { bin = {} } = JSON.parse(readFileSync(path('package.json'), 'utf8'))
  for (const file of Object.values(bin)) chmodSync(path(file), 0o755)
  writeFileSync(buildStamp, stampOf(digest))
}

/** The compiler leaves the output of a source that is gone. */
function removeStaleOutput (sources) {
  const wanted = new Set(sources)
  for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath ?? entry.path, entry.name)
    const name = relative(dist, file)
    if (entry.isFile() && !name.startsWith('.') && !wanted.has(name.replace(/(\.d\.ts|\.js)(\.map)?$/, ''))) rmSync(file)
  }
}

// ---- one at a time ------------------------------------------------------------------------

/**
 * The lock is a folder that names its owner. It appears whole, by a rename, which fails while another one
 * with content is there.
 */
async function acquireLock () {
  sweep()
  const mine = mkdtempSync(`${lock}-`)
  writeFileSync(join(mine, 'owner.json'), JSON.stringify({ id: randomUUID(), ...identify(process.pid) }))

  const since = Date.now()
  for (let noticed = false; ; await sleep(100)) {
    try {
      return renameSync(mine, lock)
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST'].includes(error.code) && process.platform !== 'win32') throw error
    }
    if (removeAbandonedLock()) continue

    const waited = Date.now() - since
    if (!noticed && waited > SECONDS_UNTIL_NOTICE * 1000) {
      noticed = true
      say(`waiting for another setup of this folder (process ${readJson(join(lock, 'owner.json'))?.pid})`)
    }
    if (waited > MINUTES_UNTIL_GIVING_UP * 60_000) {
      discard(mine)
      throw new Error(`another setup has been at work for ${MINUTES_UNTIL_GIVING_UP} minutes; if there is none, remove ${lock}`)
    }
  }
}

/** The id of the lock's owner if neither it nor what it started is running any more. */
function findAbandoned () {
  const owner = readJson(join(lock, 'owner.json'))
  if (owner === undefined || isRunning(owner)) return undefined
  // npm goes on when only its parent is killed.
  const child = readJson(join(lock, 'child.json'))
  return child !== undefined && isRunning(child) ? undefined : owner.id
}

/** Several may find the lock abandoned: who makes the mark in it removes it, and nobody removes a newer one. */
function removeAbandonedLock () {
  const id = findAbandoned()
  if (id === undefined) return false
  const mark = join(lock, id)
  try {
    mkdirSync(mark)
  } catch {
    return false
  }
  if (findAbandoned() !== id) {
    rmSync(mark, { recursive: true, force: true })
    return false
  }
  discard(lock)
  return true
}

/** In one step for everybody who looks: the rest of the removal happens under another name. */
function discard (folder) {
  const trash = `${lock}-${randomUUID()}`
  renameSync(folder, trash)
  rmSync(trash, { recursive: true, force: true })
}

/** What waiters left that were killed. */
function sweep () {
  for (const name of readdirSync(dist)) {
    if (!name.startsWith(`${basename(lock)}-`)) continue
    const owner = readJson(join(dist, name, 'owner.json'))
    if (owner !== undefined && !isRunning(owner)) rmSync(join(dist, name), { recursive: true, force: true })
  }
}

function identify (pid) {
  return { host: hostname(), pid, born: bornAt(pid), at: Date.now() }
}

function isRunning ({ host, pid, born, at }) {
  // Not to be seen from here: a folder that machines or containers share.
  if (host !== hostname()) return Date.now() - at < MINUTES_UNTIL_GIVING_UP * 60_000
  try {
    process.kill(pid, 0)
  } catch (error) {
    return error.code === 'EPERM'
  }
  return bornAt(pid) === born
}

/** Tells a process from a later one with its number. Undefined once it is dead, though its parent may not have noticed. */
function bornAt (pid) {
  if (process.platform === 'win32') return ''
  const stat = readText(`/proc/${pid}/stat`)
  if (stat !== undefined) {
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  }
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' })
  const [state = '', ...start] = (stdout ?? '').trim().split(/\s+/)
  return state === '' || state.startsWith('Z') ? undefined : start.join(' ')
}

// ---- helpers ------------------------------------------------------------------------------

/** The npm that runs this script, else the one in the path. */
async function npm (...args) {
  const cli = process.env.npm_execpath
  const [command, ...prefix] = cli !== undefined && basename(cli) === 'npm-cli.js' ? [process.execPath, cli] : ['npm']
  // Standard output belongs to what runs after this.
  const child = spawn(command, [...prefix, ...args], { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' && prefix.length === 0 })
  const ended = new Promise((resolve, reject) => child.once('error', reject).once('exit', (code, signal) => resolve(code ?? signal)))
  if (child.pid !== undefined) {
    const note = join(lock, 'child.json')
    writeFileSync(`${note}.new`, JSON.stringify(identify(child.pid)))
    renameSync(`${note}.new`, note)
  }
  const code = await ended
  if (code !== 0) throw new Error(`npm ${args[0] === 'ci' ? 'ci' : args.at(-1)} failed (${code}), see above; the next run tries again`)
}

function readText (file) {
  return ignoreErrors(() => readFileSync(file, 'utf8'))
}

function readJson (file) {
  return ignoreErrors(() => JSON.parse(readFileSync(file, 'utf8')))
}

function ignoreErrors (read) {
  try {
    return read()
  } catch {
    return undefined
  }
}

function say (text) {
  process.stderr.write(`setup: ${text}\n`)
}
