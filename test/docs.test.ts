import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'
import { DEFAULT_PERMISSIONS, SESSION_OPTION_NAMES } from '../lib/tokens/document-session-options.ts'
import { EDITOR_OPTION_NAMES } from '../lib/tokens/editor/options.ts'
import { OPAQUE_OPTION_NAMES } from '../lib/tokens/opaque/options.ts'
import { ACCESS_OPTION_NAMES } from '../lib/tokens/access/options.ts'
import { BROKER_OPTION_NAMES } from '../lib/tokens/session-broker.ts'
import * as errors from '../lib/errors.ts'
import { resolveMachineLimits, resolveOpaqueLimits, resolveUserLimits } from '../plugins/shared/limits.ts'
import { EVENT_NAMES } from '../lib/events.ts'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** The rows of all tables whose first column is `code`: cells by position. */
const rows = readme.split('\n').filter((line) => line.startsWith('| `FDT_')).map((line) => line.split('|').map((cell) => cell.trim()))

t.test('the table of errors lists each code once, with its status, and no other', async (t) => {
  const documented = rows.map(([, code, status]) => `${code?.replaceAll('`', '')} ${status}`).sort()
  const thrown = Object.values(errors).map((Class) => new Class()).map(({ code, statusCode }) => `${code} ${statusCode}`).sort()
  t.strictSame(documented, thrown)
  for (const [, code, , when] of rows) t.ok(when, `${code}: says when`)
})

t.test('every subpath is named', async (t) => {
  for (const subpath of Object.keys(manifest.exports)) t.ok(readme.includes(`\`${subpath.slice(1)}\``), subpath)
})

t.test('every option of the flow is in its table', async (t) => {
  for (const option of [...SESSION_OPTION_NAMES, 'credentials', 'optionalMembers', 'limits.address', 'limits.credential', 'limits.failures', 'prefix', 'routes', 'sessions']) t.match(readme, new RegExp(`^\\| \`${option}\` \\|`, 'm'), option)
  for (const permission of DEFAULT_PERMISSIONS) t.ok(readme.includes(`'${permission}'`), permission)
})

/** The names in the first column of the tables of a section. */
function documentedIn (heading: string): string[] {
  const [, section = ''] = new RegExp(`^${heading}$(.*?)^##`, 'ms').exec(readme) ?? []
  return [...section.matchAll(/^\| ((?:`[\w.]+`(?:, )?)+) \|/gm)].flatMap(([, names]) => String(names).replaceAll('`', '').split(', ')).sort()
}

t.test('every option of the broker is in its table', async (t) => {
  t.strictSame(documentedIn('## Session broker'), [...BROKER_OPTION_NAMES, 'authorize', 'onRequest', 'trustedOrigins', 'limits.address', 'limits.user', 'limitKey', 'store', 'security', 'prefix', 'routes', 'broker'].sort())
})

t.test('every option of the editor is in its table', async (t) => {
  t.strictSame(documentedIn('### Options of the editor'), [...EDITOR_OPTION_NAMES, 'authorize', 'tenant', 'onRequest', 'trustedOrigins', 'limits.address', 'limits.user', 'limitKey', 'security', 'prefix', 'routes', 'signatures'].sort())
})

t.test('every option of opaque tokens is in its table', async (t) => {
  t.strictSame(documentedIn('### Options of opaque tokens'), [...OPAQUE_OPTION_NAMES, 'credentials', 'verifiers', 'includeAccessor', 'limits.address', 'limits.credential', 'limits.failures', 'limits.unknown', 'prefix', 'routes', 'tokens'].sort())
})

t.test('every option of client credentials is in its table', async (t) => {
  t.strictSame(documentedIn('### Options of client credentials'), [...ACCESS_OPTION_NAMES, 'clients', 'aliases', 'metadata', 'legacyAudience', 'limits.address', 'limits.credential', 'limits.failures', 'prefix', 'routes', 'tokens'].sort())
})

t.test('the limits are documented with their defaults', async (t) => {
  for (const limits of [resolveMachineLimits(undefined), resolveUserLimits(undefined), resolveOpaqueLimits(undefined)]) {
    for (const [name, limit] of Object.entries(limits)) t.ok(readme.includes(`| \`limits.${name}\` | \`{ max: ${limit?.max}, timeWindow: ${limit?.timeWindow} }\` |`), `${name}: ${limit?.max}`)
  }
})

t.test('every event is in its table', async (t) => {
  for (const name of EVENT_NAMES) t.match(readme, new RegExp(`^\\| \`${name}\` \\|`, 'm'), name)
})

t.test('what it links to is there', async (t) => {
  const files = [...readme.matchAll(/\]\((?!https?:|#)([^)#]+)\)/g)].map(([, path]) => String(path))
  t.ok(files.length > 5)
  for (const file of files) t.ok(existsSync(join(root, file)), file)
  const anchors = new Set([...readme.matchAll(/^#+ (.+)$/gm)].map(([, title]) => String(title).toLowerCase().replace(/[^\w -]/g, '').replaceAll(' ', '-')))
  for (const [, anchor] of readme.matchAll(/\]\(#([^)]+)\)/g)) t.ok(anchors.has(String(anchor)), String(anchor))
})

t.test('starts with one sentence and the two commands', async (t) => {
  const [title, , sentence, , fence, start, test] = readme.split('\n')
  t.equal(title, `# ${manifest.name}`)
  t.match(sentence, /^[^.]+\.$/)
  t.equal(fence, '```sh')
  t.match(start, /^npm start\b/)
  t.match(test, /^npm test\b/)
})

t.test('the TypeScript in it compiles', async (t) => {
  const config = ts.getParsedCommandLineOfConfigFile(join(root, 'tsconfig.json'), { noEmit: true, noUnusedLocals: false }, { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} })
  if (config === undefined) throw new TypeError('tsconfig.json cannot be read')
  // Without the folders of the build the package is what its users see: the declarations in dist.
  const { outDir, rootDir, ...options } = config.options
  const blocks = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code], index) => ({ name: join(root, `readme-${index}.ts`), code: `${code}\nexport {}\n` }))
  t.ok(blocks.length > 5)

  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists } = host
  const find = (name: string) => blocks.find((block) => block.name === name)
  host.fileExists = (name) => find(name) !== undefined || fileExists(name)
  host.getSourceFile = (name, version, ...rest) => {
    const block = find(name)
    return block === undefined ? getSourceFile(name, version, ...rest) : ts.createSourceFile(name, block.code, version)
  }
  const program = ts.createProgram(blocks.map(({ name }) => name), options, host)
  const found = ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`)
  t.strictSame(found, [])
  const quickStart = blocks[0]?.code.split('\n').filter((line) => line !== '').length ?? 0
  t.ok(quickStart <= 11, 'the quick start is ten lines, and the line that makes it a module')
})
