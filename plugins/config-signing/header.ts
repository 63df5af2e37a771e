import { type FastifyRequest } from 'fastify'

/** The lines of a header as they came: Node keeps the first of two `Authorization` lines, and joins most others. */
export function headerLines ({ raw: { rawHeaders } }: FastifyRequest, name: string): string[] {
  return rawHeaders.filter((_line, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name)
}
