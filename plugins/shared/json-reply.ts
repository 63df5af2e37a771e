import { type FastifyReply } from 'fastify'

/** Answers with JSON as text, which neither a `preSerialization` hook nor a response schema of the host's changes. */
export function sendJson (reply: FastifyReply, body: object): FastifyReply {
  return sendJsonText(reply, JSON.stringify(body))
}

/** The same for what is JSON already. */
export function sendJsonText (reply: FastifyReply, text: string): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(text)
}

/** Answers with no body, whatever the status: Fastify would write `null` where a schema stands. */
export function sendNothing (reply: FastifyReply): FastifyReply {
  return reply.send()
}
