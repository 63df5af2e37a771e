import { type FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'

export interface Manual { id: string, team: string, title: string, pages: number }

export interface ManualsOptions { manuals?: readonly Manual[] }

/** Manuals in memory. */
export interface Manuals {
  find (id: string): Manual | undefined
  of (team: string): Manual[]
  save (manual: Manual): void
}

declare module 'fastify' {
  interface FastifyInstance { manuals: Manuals }
}

const manuals: FastifyPluginAsync<ManualsOptions> = async (app, { manuals = [] }) => {
  const byId = new Map(manuals.map((manual) => [manual.id, manual]))

  app.decorate('manuals', {
    find: (id) => byId.get(id),
    of: (team) => [...byId.values()].filter((manual) => manual.team === team),
    save: (manual) => { byId.set(manual.id, manual) }
  })
}

export default fp(manuals, { name: 'manuals' })
