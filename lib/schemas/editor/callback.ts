import { type Static, Type } from '@sinclair/typebox'

const Text = Type.String({ maxLength: 65_536 })
const Url = Type.String({ minLength: 1, maxLength: 65_536 })

/**
 * What a callback of the document server says, without the times of its token. Members that are unknown here are a newer
 * server's, and no reason to lose a version. `history` is `{}` where a header would have been too long for it.
 */
export const CallbackClaimsSchema = Type.Object({
  key: Text,
  status: Type.Integer(),
  users: Type.Optional(Type.Array(Text)),
  actions: Type.Optional(Type.Array(Type.Object({ type: Type.Integer({ minimum: 0 }), userid: Text }))),
  url: Type.Optional(Url),
  changesurl: Type.Optional(Url),
  history: Type.Optional(Type.Object({
    changes: Type.Optional(Type.Array(Type.Record(Type.String(), Type.Unknown()))),
    serverVersion: Type.Optional(Text)
  })),
  filetype: Type.Optional(Text),
  lastsave: Type.Optional(Text),
  notmodified: Type.Optional(Type.Boolean()),
  forcesavetype: Type.Optional(Type.Integer({ minimum: 0 })),
  formsdataurl: Type.Optional(Url),
  userdata: Type.Optional(Text)
})
export type CallbackClaims = Static<typeof CallbackClaimsSchema>
