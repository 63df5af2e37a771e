import { type Static, Type } from '@sinclair/typebox'

const text = (description: string, maxLength = 512) => Type.Optional(Type.String({ maxLength, description }))

const POSTED = { file: 'floor-plan.png', userId: 'jane', access: 'edit', locale: 'en', server: 'https://files.internal.example' }

/** What the editor understands of its parameters. Others are kept, and left alone. */
export const cadParameters = Type.Object({
  file: Type.String({ minLength: 1, maxLength: 1024, description: 'The document: an id or a file name of the catalogue' }),
  fileUrl: text('Where the document is', 4096),
  server: text('Where the documents are. Never told to a browser', 4096),
  userId: text('Who opens it'),
  sessionId: text('The session of the user'),
  locale: text('Language of the editor, such as `en`', 35),
  access: Type.Optional(Type.Union([Type.Literal('edit'), Type.Literal('view')], { description: 'What the user may do with it' })),
  workspace: text('Tools of the editor'),
  viewerWorkspace: text('Tools of the viewer')
}, {
  additionalProperties: true,
  description: 'Parameters of the editor, at most 100. One named `auth` is replaced',
  'x-examples': { drawing: { value: POSTED } }
})

export type CadParameters = Static<typeof cadParameters>
