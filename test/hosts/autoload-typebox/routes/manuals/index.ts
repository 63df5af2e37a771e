import { type FastifyPluginAsyncTypebox, type Static, Type } from '@fastify/type-provider-typebox'
import { type FastifyInstance, type FastifyRequest } from 'fastify'
import { type Manual } from '../../plugins/manuals.ts'

const Id = Type.String({ pattern: '^[a-z-]{1,40}$' })
const ManualBody = Type.Object({ title: Type.String({ minLength: 1, maxLength: 80 }), pages: Type.Integer({ minimum: 1 }) }, { additionalProperties: false })
const ManualReply = Type.Object({ id: Type.String(), team: Type.String(), title: Type.String(), pages: Type.Integer() })
const Message = Type.Object({ message: Type.String() })

const params = Type.Object({ id: Id })

const manuals: FastifyPluginAsyncTypebox = async (app) => {
  app.get('/', {
    schema: { querystring: Type.Object({ minPages: Type.Optional(Type.Integer()) }), response: { 200: Type.Array(ManualReply) } }
  }, async (request) => app.manuals.of(teamOf(request)).filter(({ pages }) => pages >= (request.query.minPages ?? 0)))

  app.get('/:id', {
    schema: { params, response: { 200: ManualReply, 403: Message, 404: Message } }
  }, async (request, reply) => {
    const manual = app.manuals.find(request.params.id)
    if (manual === undefined) return reply.code(404).send({ message: 'No such manual' })
    if (manual.team !== teamOf(request)) return reply.code(403).send({ message: 'This manual belongs to another team' })
    return manual
  })

  app.put('/:id', {
    schema: { params, body: ManualBody, response: { 200: ManualReply, 403: Message } }
  }, async (request, reply) => {
    const saved = save(app, request.params.id, teamOf(request), request.body)
    return saved ?? reply.code(403).send({ message: 'This manual belongs to another team' })
  })
}

function save (app: FastifyInstance, id: string, team: string, body: Static<typeof ManualBody>): Manual | undefined {
  const before = app.manuals.find(id)
  if (before !== undefined && before.team !== team) return undefined
  const manual = { id, team, ...body }
  app.manuals.save(manual)
  return manual
}

/** The hook of this folder has seen to it that there is an account. */
function teamOf ({ account }: Pick<FastifyRequest, 'account'>): string {
  if (account === null) throw new TypeError('nobody is signed in')
  return account.team
}

export default manuals
