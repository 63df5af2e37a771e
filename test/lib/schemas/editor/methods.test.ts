import t from 'tap'
import { EditorConfigSchema } from '../../../../lib/schemas/editor/config.ts'
import { EDITOR_METHOD_NAMES, EDITOR_METHOD_SCHEMAS } from '../../../../lib/schemas/editor/methods.ts'
import { EDITOR_REQUEST_SCHEMAS, EDITOR_SERVICES } from '../../../../lib/schemas/editor/requests.ts'
import { type SchemaNode } from '../../../../lib/schemas/editor/scalars.ts'

const IMAGES = ['bmp', 'gif', 'jpe', 'jpeg', 'jpg', 'png', 'svg', 'tif', 'tiff']

/** Members of each: with `*` those that are required, with their values those that are closed. */
const MEMBERS = {
  insertImage: { c: ['add', 'change', 'fill', 'watermark', 'slide'], images: [], fileType: IMAGES, url: [] },
  setHistoryData: { 'version*': [], 'key*': [], 'url*': [], fileType: [], changesUrl: [], previous: [] },
  setReferenceData: { 'path*': [], 'url*': [], 'fileType*': [], key: [], referenceData: [] },
  setReferenceSource: { 'path*': [], 'url*': [], 'fileType*': [], key: [], referenceData: [] },
  setRequestedDocument: {
    'c*': ['compare', 'combine', 'insert-text'],
    'fileType*': ['doc', 'docm', 'docx', 'dot', 'dotm', 'dotx', 'epub', 'fodt', 'odt', 'ott', 'rtf', 'wps'],
    'url*': []
  },
  setRequestedSpreadsheet: { 'c*': ['mailmerge'], 'fileType*': ['csv', 'fods', 'ods', 'ots', 'xls', 'xlsm', 'xlsx', 'xlt', 'xltm', 'xltx'], 'url*': [] },
  setMailMergeRecipients: { 'fileType*': [], 'url*': [] },
  setRevisedFile: { 'fileType*': [], 'url*': [] }
}

function membersOf ({ properties, required }: SchemaNode): object {
  return Object.fromEntries(Object.entries(properties ?? {}).map(([name, member]) => [
    Array.isArray(required) && required.includes(name) ? `${name}*` : name, member.enum ?? []
  ]))
}

function * nodesOf (node: SchemaNode): Generator<SchemaNode> {
  yield node
  for (const inner of [...Object.values(node.properties ?? {}), ...(node.anyOf ?? []), ...(node.items === undefined ? [] : [node.items])]) yield * nodesOf(inner)
}

for (const [method, members] of Object.entries(MEMBERS)) {
  t.test(method, async (t) => {
    const schema = Object.entries(EDITOR_METHOD_SCHEMAS).find(([name]) => name === method)?.[1]
    t.strictSame(membersOf({ ...schema }), members)
  })
}

t.test('the list of methods', async (t) => {
  t.strictSame(EDITOR_METHOD_NAMES, ['refreshFile', ...Object.keys(MEMBERS)])
  t.ok(Object.isFrozen(EDITOR_METHOD_NAMES))
  t.equal(EDITOR_METHOD_SCHEMAS.refreshFile, EditorConfigSchema)
  const deprecated = Object.entries(EDITOR_METHOD_SCHEMAS).filter(([, schema]: [string, SchemaNode]) => schema.deprecated === true)
  t.strictSame(deprecated.map(([name]) => name), ['setMailMergeRecipients', 'setRevisedFile'])
})

t.test('the list of services', async (t) => {
  t.strictSame(EDITOR_SERVICES, ['command', 'converter', 'docbuilder'])
  t.ok(Object.isFrozen(EDITOR_SERVICES))
})

for (const [name, schema] of Object.entries({ ...EDITOR_METHOD_SCHEMAS, ...EDITOR_REQUEST_SCHEMAS })) {
  t.test(`${name}: everything has a limit, and says what it is`, async (t) => {
    const nodes: readonly SchemaNode[] = [...nodesOf(schema)]
    for (const { type, enum: closed, const: constant, maxLength, maxItems, pattern, description } of nodes) {
      if (type === 'string' && closed === undefined && constant === undefined) t.type(maxLength, 'number')
      if (type === 'array') t.type(maxItems, 'number')
      if (pattern !== undefined && closed === undefined) t.type(description, 'string')
    }
    t.equal({ ...schema }['additionalProperties'], false)
  })
}
