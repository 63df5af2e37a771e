import { type Static, type TSchema } from '@sinclair/typebox'
import {
  type FastifyPluginAsync, type FastifyPluginOptions, type FastifyTypeProvider, type RawServerDefault
} from 'fastify'

/** Lets Fastify infer request and reply types from TypeBox schemas. */
export interface TypeBoxTypeProvider extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown
  serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown
}

/** An async Fastify plugin whose routes are typed from TypeBox schemas. */
export type TypeBoxPlugin<Options extends FastifyPluginOptions = Record<never, never>> =
  FastifyPluginAsync<Options, RawServerDefault, TypeBoxTypeProvider>
