/** The manuals of some teams. Everything is loaded from the folders `plugins` and `routes`. */
import { join } from 'node:path'
import autoload from '@fastify/autoload'
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import { type AccountsOptions } from './plugins/accounts.ts'
import { type ManualsOptions } from './plugins/manuals.ts'

export type AppOptions = AccountsOptions & ManualsOptions

export async function buildApp (options: AppOptions): Promise<FastifyInstance> {
  const app = Fastify()
  app.setValidatorCompiler(TypeBoxValidatorCompiler)

  await app.register(autoload, { dir: join(import.meta.dirname, 'plugins'), options })
  await app.register(autoload, { dir: join(import.meta.dirname, 'routes'), autoHooks: true, cascadeHooks: true })
  return app
}
