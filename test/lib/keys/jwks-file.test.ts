import { spawnSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { type JsonWebKey } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { followKeyFile, generateKey, type KeyFileOptions, type KeyRing } from '../../../lib/keys/index.ts'

const NOW = 1_800_000_000_000

/** A key of a file, called `kid`. */
async function makeKey (kid: string, flow = 'sessions', algorithm: 'ES256' | 'HS256' = 'ES256'): Promise<JsonWebKey> {
  return { ...await generateKey(algorithm), kid, fdt_flow: flow }
}

function publicHalf ({ d, ...members }: JsonWebKey): JsonWebKey {
  return members
}

function kidsOf (ring: KeyRing): string[] {
  return ring.list().map(({ kid }) => kid)
}

interface FollowedFile {
  file: string
  ring: KeyRing
  errors: Error[]
  write (keys: unknown): void
  /** Looks, a second later. */
  look (): Promise<void>
}

async function followed (t: Test, keys: unknown[], options: Partial<KeyFileOptions> = {}): Promise<FollowedFile> {
  const file = join(t.testdir({}), 'keys.json')
  const write = (content: unknown): void => { writeFileSync(file, typeof content === 'string' ? content : JSON.stringify({ keys: content })) }
  const errors: Error[] = []
  let time = NOW

  write(keys)
  const ring = await followKeyFile({ file, flow: 'sessions', watch: false, now: () => time, onError: (error) => { errors.push(error) }, ...options })
  t.teardown(() => ring.close())
  return { file, ring, errors, write, look: async () => { time += 1000; await ring.refresh() } }
}

t.test('the keys of a flow', async (t) => {
  const [a, b, c, d, foreign] = [await makeKey('a'), await makeKey('b'), await makeKey('c', 'access'), await makeKey('d', 'sessions', 'HS256'), await generateKey('ES256')]
  const { ring, file } = await followed(t, [foreign, c, publicHalf(a), b, d, { kty: 'oct', k: 'AAAA', use: 'enc' }])

  t.strictSame(kidsOf(ring), ['a', 'b', 'd'])
  t.equal(ring.signing().kid, 'b', 'the first one with a private half')
  t.equal(ring.get('c'), undefined)
  t.equal(ring.get('b'), ring.signing())

  const access = await followKeyFile({ file, flow: 'access', watch: false })
  t.strictSame(kidsOf(access), ['c'])
  await access.refresh()
  await t.rejects(followKeyFile({ file, flow: 'identityserver' }), { code: 'FDT_UNUSABLE_KEY', message: /identityserver/ })
})

t.test('public halves only: nothing signs', async (t) => {
  const { ring } = await followed(t, [publicHalf(await makeKey('a'))])
  t.throws(() => ring.signing(), { code: 'FDT_NO_SIGNING_KEY' })
})

t.test('a change is followed, and what did not change stays what it was', async (t) => {
  const [a, b, c] = [await makeKey('a'), await makeKey('b'), await makeKey('c')]
  const { ring, write, look, errors } = await followed(t, [a, b])
  const [first, second] = ring.list()
  const before = ring.list()

  await look()
  t.equal(ring.list(), before, 'nothing changed')

  write([c, b, a])
  await look()
  t.strictSame(kidsOf(ring), ['c', 'b', 'a'])
  t.equal(ring.signing().kid, 'c')
  t.equal(ring.get('a'), first)
  t.equal(ring.get('b'), second)

  write([c, publicHalf(b), { ...a, kid: 'renamed' }])
  await look()
  t.strictSame(kidsOf(ring), ['c', 'b', 'renamed'])
  t.equal(ring.get('a'), undefined)
  t.not(ring.get('b'), second, 'a key that no longer signs is another object')
  t.equal(ring.get('b')?.signKey, undefined)

  write([{ ...await makeKey('c') }])
  const replaced = ring.get('c')
  await look()
  t.not(ring.get('c'), replaced, 'another key under the same name')
  t.strictSame(errors, [])
})

t.test('what cannot be used leaves the ring as it is, and is told once', async (t) => {
  const [a, b, c] = [await makeKey('a'), await makeKey('b'), await makeKey('c', 'access')]
  const { ring, write, look, errors, file } = await followed(t, [a])
  const before = ring.list()

  const bad: Array<{ name: string, code: string, write: () => void }> = [
    { name: 'empty', code: 'FDT_UNUSABLE_KEY', write: () => { write('') } },
    { name: 'half written', code: 'FDT_UNUSABLE_KEY', write: () => { write(JSON.stringify({ keys: [a, b] }).slice(0, -20)) } },
    ...['null', '[]', '{}', '{"keys":{}}', '{"keys":[null]}', '{"keys":["a"]}', '{"keys":[]}', '{"keys":[],"keys":[]}', '"\uD800"'].map((text) => ({ name: text, code: 'FDT_UNUSABLE_KEY', write: () => { write(text) } })),
    { name: 'no key of the flow', code: 'FDT_UNUSABLE_KEY', write: () => { write([c]) } },
    { name: 'no flow at all', code: 'FDT_UNUSABLE_KEY', write: () => { write([{ ...a, fdt_flow: undefined }]) } },
    { name: 'a flow that does not exist', code: 'FDT_UNUSABLE_KEY', write: () => { write([a, { ...b, fdt_flow: 'session' }]) } },
    { name: 'a bad key', code: 'FDT_UNUSABLE_KEY', write: () => { write([a, { ...b, use: 'enc' }]) } },
    { name: 'a bad key of another flow', code: 'FDT_UNUSABLE_KEY', write: () => { write([a, { ...c, crv: 'P-384' }]) } },
    { name: 'a weak key', code: 'FDT_WEAK_KEY', write: () => { write([a, { kty: 'oct', k: 'AAAA', fdt_flow: 'sessions' }]) } },
    { name: 'a kid twice', code: 'FDT_UNUSABLE_KEY', write: () => { write([a, { ...b, kid: 'a' }]) } },
    { name: 'a key twice', code: 'FDT_UNUSABLE_KEY', write: () => { write([a, { ...a, kid: 'b' }]) } },
    { name: 'a key for two flows', code: 'FDT_UNUSABLE_KEY', write: () => { write([a, { ...a, kid: 'b', fdt_flow: 'access' }]) } },
    { name: 'too large', code: 'FDT_INVALID_OPTION', write: () => { write(JSON.stringify({ keys: [a], padding: 'x'.repeat(1024 * 1024) })) } },
    { name: 'gone', code: 'FDT_INVALID_OPTION', write: () => { rmSync(file) } },
    { name: 'a folder', code: 'FDT_INVALID_OPTION', write: () => { mkdirSync(file) } }
  ]
  for (const { name, code, write } of bad) {
    write()
    await look()
    await look()
    t.equal(ring.list(), before, name)
    t.match(errors.splice(0), [{ code }], `${name}: told once`)
    await t.rejects(followKeyFile({ file, flow: 'sessions' }), { code }, `${name}: at the start it throws`)
  }

  rmSync(file, { recursive: true })
  write([b])
  await look()
  t.strictSame(kidsOf(ring), ['b'], 'and it goes on when the file is good again')
  t.strictSame(errors, [])
})

t.test('a pipe is no file', { skip: process.platform === 'win32' }, async (t) => {
  const file = join(t.testdir({}), 'pipe')
  t.equal(spawnSync('mkfifo', [file]).status, 0)
  await t.rejects(followKeyFile({ file, flow: 'sessions' }), { code: 'FDT_INVALID_OPTION' })
})

t.test('an error says nothing of the file', async (t) => {
  const { write, look, errors } = await followed(t, [await makeKey('a')])
  write('{"keys":[{"kty":"oct","k":"c2VjcmV0","fdt_flow":"sessions"}],}')
  await look()
  t.notMatch(JSON.stringify(errors, ['message', 'stack', 'cause']), /c2VjcmV0/)
})

t.test('a callback that throws, or none, does no harm', async (t) => {
  for (const onError of [() => { throw new TypeError('mine') }, undefined]) {
    const { ring, write, look } = await followed(t, [await makeKey('a')], { ...(onError !== undefined && { onError }) })
    write('')
    await look()
    write([await makeKey('b')])
    await look()
    t.strictSame(kidsOf(ring), ['b'])
  }
  const file = join(t.testdir({}), 'keys.json')
  writeFileSync(file, JSON.stringify({ keys: [await makeKey('a')] }))
  let time = NOW
  const ring = await followKeyFile({ file, flow: 'sessions', watch: false, now: () => time })
  truncateSync(file)
  time += 1000
  await ring.refresh()
  t.strictSame(kidsOf(ring), ['a'])
})

t.test('refresh looks at most once per second', async (t) => {
  let time = NOW
  const { ring, write } = await followed(t, [await makeKey('a')], { now: () => time })
  await ring.refresh()
  write([await makeKey('b')])
  time += 999
  await ring.refresh()
  t.strictSame(kidsOf(ring), ['a'])
  time += 1
  await Promise.all([ring.refresh(), ring.refresh()])
  t.strictSame(kidsOf(ring), ['b'])

  write([await makeKey('c')])
  time = NOW - 3_600_000
  await ring.refresh()
  t.strictSame(kidsOf(ring), ['c'], 'also when the clock was set back')

  await ring.close()
  write([await makeKey('d')])
  time += 1000
  await ring.refresh()
  t.strictSame(kidsOf(ring), ['c'], 'a closed ring does not look')
})

t.test('a file is followed by itself: rewritten, replaced, behind another link', async (t) => {
  const folder = t.testdir({})
  const file = join(folder, 'keys.json')
  // As Kubernetes mounts a secret: keys.json → ..data/keys.json, ..data → a folder per version.
  const mount = async (version: string): Promise<void> => {
    mkdirSync(join(folder, version))
    writeFileSync(join(folder, version, 'keys.json'), JSON.stringify({ keys: [await makeKey(version)] }))
    symlinkSync(version, join(folder, '..tmp'))
    renameSync(join(folder, '..tmp'), join(folder, '..data'))
  }
  await mount('v1')
  symlinkSync(join('..data', 'keys.json'), file)

  const ring = await followKeyFile({ file, flow: 'sessions', pollInterval: 20 })
  t.teardown(() => ring.close())
  t.strictSame(kidsOf(ring), ['v1'])

  await mount('v2')
  await until(() => ring.get('v2') !== undefined)
  t.strictSame(kidsOf(ring), ['v2'], 'the link was swapped')

  writeFileSync(file, JSON.stringify({ keys: [await makeKey('v3')] }))
  await until(() => ring.get('v3') !== undefined)
  t.strictSame(kidsOf(ring), ['v3'], 'the file was rewritten in place')
})

async function until (isReached: () => boolean): Promise<void> {
  while (!isReached()) await delay(10)
}

t.test('by default it is looked at often enough', async (t) => {
  const file = join(t.testdir({}), 'keys.json')
  writeFileSync(file, JSON.stringify({ keys: [await makeKey('a')] }))
  const ring = await followKeyFile({ file, flow: 'sessions' })
  t.teardown(() => ring.close())

  writeFileSync(file, JSON.stringify({ keys: [await makeKey('b')] }))
  const startedAt = performance.now()
  await until(() => ring.get('b') !== undefined)
  t.ok(performance.now() - startedAt < 5000, 'a second on an idle machine')
})

t.test('following keeps no process alive', async (t) => {
  const file = join(t.testdir({}), 'keys.json')
  writeFileSync(file, JSON.stringify({ keys: [await makeKey('a')] }))
  const script = `
    import { followKeyFile } from ${JSON.stringify(new URL('../../../lib/keys/index.ts', import.meta.url).href)}
    const ring = await followKeyFile({ file: ${JSON.stringify(file)}, flow: 'sessions' })
    console.log(ring.signing().kid)
  `
  const { status, stdout } = spawnSync(process.execPath, [...process.execArgv, '--input-type=module', '--eval', script], { timeout: 60_000, encoding: 'utf8' })
  t.equal(stdout.trim(), 'a')
  t.equal(status, 0)
})

t.test('options', async (t) => {
  const file = join(t.testdir({}), 'keys.json')
  writeFileSync(file, JSON.stringify({ keys: [await makeKey('a')] }))
  const refused: object[] = [
    { file: undefined }, { file: '' }, { file: 1 }, { flow: undefined }, { flow: 'session' }, { flow: '__proto__' },
    ...[0, -1, 1001, 1.5, NaN, Infinity, '1000', null].map((pollInterval) => ({ pollInterval }))
  ]
  for (const options of refused) {
    await t.rejects(followKeyFile({ file, flow: 'sessions', ...options } as KeyFileOptions), { code: 'FDT_INVALID_OPTION' }, JSON.stringify(options))
  }
})
