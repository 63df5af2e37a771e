import { readFileSync } from 'node:fs'
import t from 'tap'
import { EditorConfigSchema } from '../../../../lib/schemas/editor/config.ts'
import { type SchemaNode } from '../../../../lib/schemas/editor/scalars.ts'

interface Field {
  readonly path: string
  readonly type: string
  readonly required: boolean
  readonly notes: string | null
}

interface Vectors {
  readonly fields: readonly Field[]
  readonly values: Readonly<Record<string, readonly string[]>>
}

const { fields, values }: Vectors = JSON.parse(readFileSync(new URL('../../../vectors/onlyoffice-config-fields.json', import.meta.url), 'utf8'))

/** `token` is made of the rest. */
const VENDOR = new Map(fields.filter(({ path }) => path !== 'token').map((field) => [field.path.replace(/\[\]$/, ''), field]))

/** Named by their own types there, and here by what these hold. */
const NAMED: Readonly<Record<string, readonly string[]>> = {
  ...values,
  FileType: Object.entries(values).filter(([name]) => name.endsWith('FileType')).flatMap(([, types]) => types)
}

/** What the seed of the recorded tokens has beside the vendor's types. */
const WIDER: Readonly<Record<string, readonly string[]>> = {
  'document.permissions.commentGroups.view': ['string'],
  'document.permissions.commentGroups.edit': ['string'],
  'document.permissions.commentGroups.remove': ['string']
}

interface OurField {
  readonly path: string
  readonly node: SchemaNode
  readonly required: boolean
}

function * walk (node: SchemaNode, path = ''): Generator<OurField> {
  for (const variant of node.anyOf ?? []) yield * walk(variant, path)
  if (node.items !== undefined) yield * walk(node.items, `${path}[]`)
  const required = new Set(Array.isArray(node['required']) ? node['required'] : [])
  for (const [name, member] of Object.entries(node.properties ?? {})) {
    const inner = path === '' ? name : `${path}.${name}`
    yield { path: inner, node: member, required: required.has(name) }
    yield * walk(member, inner)
  }
  // The GUIDs of plugins: the vendor's list has one name for all of them.
  if (typeof node['additionalProperties'] === 'object') yield { path: `${path}.pluginGuid`, node: { ...node['additionalProperties'] }, required: false }
}

const quote = (list: readonly string[]): readonly string[] => list.map((value) => `"${value}"`)

const sorted = (types: readonly string[]): readonly string[] => [...new Set(types)].sort()

function ourTypes ({ anyOf, enum: closed, examples, const: constant, items, type }: SchemaNode): readonly string[] {
  if (anyOf !== undefined) return anyOf.flatMap(ourTypes)
  if (closed !== undefined) return quote(closed)
  if (Array.isArray(examples)) return quote(examples.map(String))
  if (typeof constant === 'string') return quote([constant])
  if (items !== undefined) return ourTypes(items).map((item) => `${item}[]`)
  return [String(type)]
}

function vendorTypes (type: string): readonly string[] {
  return type.replaceAll("'", '"').split(' | ').flatMap((part) => {
    if (part.startsWith('Record<')) return ['object']
    return NAMED[part] === undefined ? [part] : quote(NAMED[part])
  })
}

/** The vendor's list names what is in its two sections, not the sections. */
const SECTIONS = ['document', 'editorConfig']

const ours = [...walk(EditorConfigSchema)].filter(({ path }) => !SECTIONS.includes(path))

t.test('every field of the vendor, and none more', async (t) => {
  t.strictSame(sorted(ours.map(({ path }) => path)), sorted([...VENDOR.keys()]))
  t.equal(ours.length, VENDOR.size, 'each of them once')
  t.equal(VENDOR.size, 231)
})

for (const { path, node, required } of ours) {
  const field = VENDOR.get(path)
  t.test(path, async (t) => {
    const notes = field?.notes ?? ''
    t.strictSame(sorted(ourTypes(node)), sorted([...vendorTypes(String(field?.type)), ...(WIDER[path] ?? [])]), 'type and values')
    t.equal(required, field?.required, 'required')
    t.equal(node.deprecated === true, notes.startsWith('DEPRECATED'), 'deprecated')
    const limit = /max (\d+)/.exec(notes)?.[1]
    if (limit !== undefined) t.equal(node.maxLength, Number(limit), 'limit')
    if (node.type === 'string' && node.enum === undefined) t.type(node.maxLength, 'number', 'never without a limit')
  })
}

t.test('a named type that a newer server may extend is a pattern, one that decides is closed', async (t) => {
  const nodes = new Map(ours.map(({ path, node }) => [path, node]))
  for (const path of ['document.fileType', 'editorConfig.lang', 'editorConfig.region', 'editorConfig.customization.uiTheme']) {
    const { pattern, examples } = nodes.get(path) ?? {}
    t.notOk(nodes.get(path)?.enum, path)
    t.ok(Array.isArray(examples) && examples.every((value) => new RegExp(String(pattern)).test(String(value))), `${path} admits what is known`)
  }
  for (const path of ['type', 'documentType', 'editorConfig.mode']) t.ok(nodes.get(path)?.enum, path)
})

t.test('objects are closed but where their members are the host\'s', async (t) => {
  const open = ours.filter(({ node }) => [node, ...(node.anyOf ?? [])].some((part) => part.type === 'object' && part['additionalProperties'] !== false))
  t.strictSame(sorted(open.map(({ path }) => path)), sorted([
    'document.options',
    'editorConfig.customization.reviewPermissions',
    'editorConfig.plugins.options',
    'editorConfig.plugins.options.all',
    'editorConfig.plugins.options.pluginGuid'
  ]))
  t.equal(EditorConfigSchema.additionalProperties, false)
})
