// Never run. The assertion is that `npm run typecheck` compiles.
import { Type } from '@sinclair/typebox'
import { expectTypeOf } from 'expect-type'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { type ApiKeySource, type Credential } from 'fastify-doc-tokens/credentials'
import { type NamedKey } from 'fastify-doc-tokens/keys'
import {
  type AnyParameters, type CodedError, createOpaqueTokens, type HostParameters, type IssuedOpaqueToken, type OpaqueToken, type OpaqueTokenInfo, opaqueTokens, type OpaqueTokens, type OpaqueTokensOptions, type OpaqueTokensPluginOptions, type ParameterValue
} from 'fastify-doc-tokens/opaque-tokens'
import { type TokenStore } from 'fastify-doc-tokens/stores/memory'
import { z } from 'zod'

declare const store: TokenStore
declare const pepper: NamedKey
declare const credentials: ApiKeySource
declare const credential: Credential

const app = Fastify()
const tokens = createOpaqueTokens({ store, pepper })

// ---- registration ----
app.register(opaqueTokens, { store, pepper, credentials })
app.register(opaqueTokens, { store, pepper: [pepper, pepper], credentials, verifiers: credentials, prefix: '/api', includeAccessor: true, limits: { address: { max: 10 }, unknown: false } })
app.register(opaqueTokens, { store, pepper, credentials, routes: true, name: 'a', format: 'uuid', maxUses: 1, maxLifetime: 300, defaultLifetime: 60, maxBytes: 1024 })
app.register(opaqueTokens, { store, pepper, routes: false })
app.register(opaqueTokens, { tokens, credentials })
app.register(opaqueTokens, { tokens, routes: false })
// @ts-expect-error `store` is required
app.register(opaqueTokens, { pepper, credentials })
// @ts-expect-error `pepper` is required
app.register(opaqueTokens, { store, credentials })
// @ts-expect-error the routes need credentials
app.register(opaqueTokens, { store, pepper })
// @ts-expect-error without routes nobody has a key
app.register(opaqueTokens, { store, pepper, routes: false, credentials })
// @ts-expect-error without routes there is nothing to limit
app.register(opaqueTokens, { store, pepper, routes: false, limits: {} })
// @ts-expect-error nor to verify
app.register(opaqueTokens, { tokens, routes: false, verifiers: credentials })
// @ts-expect-error an object or the options that make one, never both
app.register(opaqueTokens, { tokens, store, credentials })
// @ts-expect-error never both
app.register(opaqueTokens, { tokens, maxUses: 1, credentials })
// @ts-expect-error unknown options are refused
app.register(opaqueTokens, { store, pepper, credentials, ttl: 60 })
// @ts-expect-error there is no such format
app.register(opaqueTokens, { store, pepper, credentials, format: 'jwt' })
// @ts-expect-error there is no such limit
app.register(opaqueTokens, { store, pepper, credentials, limits: { user: {} } })
// @ts-expect-error a list of keys is no registry
app.register(opaqueTokens, { store, pepper, credentials: [] })
expectTypeOf<OpaqueTokensPluginOptions>().not.toBeAny()
expectTypeOf<OpaqueTokensOptions>().not.toBeAny()
expectTypeOf<keyof OpaqueTokensOptions>().toEqualTypeOf<'store' | 'pepper' | 'name' | 'format' | 'tokenPrefix' | 'defaultLifetime' | 'maxLifetime' | 'maxUses' | 'maxBytes' | 'parameters' | 'onVerify' | 'now'>()

// ---- first way: the decorators, with any parameters ----
expectTypeOf<HostParameters>().toEqualTypeOf<AnyParameters>()
expectTypeOf(app.opaqueTokens).toEqualTypeOf<OpaqueTokens>()
expectTypeOf<FastifyRequest['opaqueToken']>().toEqualTypeOf<OpaqueToken | null>()
app.get('/a', { onRequest: app.opaqueTokens.require() }, async (request) => {
  expectTypeOf(request.opaqueToken?.parameters['file']).toEqualTypeOf<ParameterValue | undefined>()
})
app.get<{ Params: { id: string } }>('/b/:id', {
  onRequest: [app.opaqueTokens.require<FastifyRequest<{ Params: { id: string } }>>({
    onRefused: (error, request, reply) => {
      expectTypeOf(error).toEqualTypeOf<CodedError>()
      expectTypeOf(request.params.id).toEqualTypeOf<string>()
      expectTypeOf(reply).toEqualTypeOf<FastifyReply>()
    }
  })]
}, async () => 'b')
app.post('/c', { preHandler: app.opaqueTokens.require({}) }, async () => 'c')
// @ts-expect-error there is no such option
app.opaqueTokens.require({ header: 'x' })
// @ts-expect-error permissions are of sessions
app.opaqueTokens.require('read')
// @ts-expect-error a token is frozen
app.addHook('onRequest', async (request) => { if (request.opaqueToken !== null) request.opaqueToken.auth = 'x' })

// ---- second way: getDecorator with the parameters of the host ----
interface Drawing { file: string, access: 'edit' | 'view' }
const decorated = app.getDecorator<OpaqueTokens<Drawing>>('opaqueTokens')
expectTypeOf((await decorated.verify('token')).parameters).toEqualTypeOf<Drawing>()
decorated.issue({ parameters: { file: 'a', access: 'edit' }, credential })
// @ts-expect-error there is no such access
decorated.issue({ parameters: { file: 'a', access: 'own' }, credential })

// ---- third way: the object without a server ----
expectTypeOf(tokens).toEqualTypeOf<OpaqueTokens>()
const DrawingSchema = Type.Object({ file: Type.String(), access: Type.Union([Type.Literal('edit'), Type.Literal('view')]) })
const bySchema = createOpaqueTokens({ store, pepper, parameters: DrawingSchema })
expectTypeOf((await bySchema.verify('token')).parameters).toEqualTypeOf<Drawing>()
const byFunction = createOpaqueTokens({ store, pepper, parameters: (value) => { expectTypeOf(value).toBeUnknown(); return { file: String(value), size: 1 } } })
expectTypeOf(byFunction).toEqualTypeOf<OpaqueTokens<{ file: string, size: number }>>()
const schema = z.object({ file: z.string(), page: z.number().optional() })
const byZod = createOpaqueTokens({ store, pepper, parameters: (value) => schema.parse(value) })
expectTypeOf((await byZod.verify('token')).parameters.file).toEqualTypeOf<string>()
// @ts-expect-error a promise would let everything pass
createOpaqueTokens<Drawing>({ store, pepper, parameters: async () => ({ file: 'a', access: 'edit' }) })
// @ts-expect-error a schema of another shape
createOpaqueTokens<Drawing>({ store, pepper, parameters: Type.Object({ file: Type.Number() }) })
// @ts-expect-error unknown options are refused
createOpaqueTokens({ store, pepper, ttl: 60 })
createOpaqueTokens({
  store,
  pepper,
  parameters: DrawingSchema,
  onVerify: ({ parameters, credential }, verifier) => {
    expectTypeOf(parameters).toEqualTypeOf<Drawing>()
    expectTypeOf(credential).toEqualTypeOf<string | undefined>()
    expectTypeOf(verifier).toEqualTypeOf<Credential | undefined>()
    return parameters.access === 'view'
  }
})
app.register(opaqueTokens, { store, pepper, credentials, parameters: DrawingSchema })
app.register(opaqueTokens, { store, pepper, credentials, parameters: (value) => schema.parse(value), onVerify: async () => false })

// What `register` cannot infer may be said.
app.register(opaqueTokens, { store, pepper, credentials, parameters: DrawingSchema, onVerify: ({ parameters }: OpaqueToken<Drawing>) => parameters.access === 'view' })
declare const given: OpaqueTokensPluginOptions
app.register(opaqueTokens, given)

// ---- issue, verify, revoke, look up ----
expectTypeOf(await tokens.issue({ parameters: { file: 'a', page: 1, open: true, folder: null }, auth: 'acme' })).toEqualTypeOf<IssuedOpaqueToken>()
tokens.issue({ json: '{"file":"a"}', credential, expiresIn: 60, maxUses: 1 })
tokens.issue({ json: new Uint8Array(2), credential, auth: 'acme' })
// @ts-expect-error flat values alone
tokens.issue({ parameters: { file: { id: 'a' } }, auth: 'acme' })
// @ts-expect-error parameters or their json, not both
tokens.issue({ parameters: { file: 'a' }, json: '{}', auth: 'acme' })
// @ts-expect-error and not neither
tokens.issue({ auth: 'acme' })
// @ts-expect-error a token is somebody's
tokens.issue({ json: '{"file":"a"}' })
// @ts-expect-error there is no such member
tokens.issue({ json: '{"file":"a"}', auth: 'acme', ttl: 60 })
expectTypeOf(await tokens.verify('token')).toEqualTypeOf<OpaqueToken>()
expectTypeOf((await tokens.verify('token')).json).toEqualTypeOf<string>()
expectTypeOf(await tokens.lookUp('accessor')).toEqualTypeOf<OpaqueTokenInfo>()
tokens.revoke('token')
tokens.revoke({ accessor: 'x' }, credential.id)
tokens.revoke(await tokens.issue({ json: '{"file":"a"}', auth: 'acme' }))
// @ts-expect-error nothing says which
tokens.revoke({})
// @ts-expect-error what the instance was made with stays
tokens.settings.name = 'b'
// @ts-expect-error and the peppers are for nobody
expectTypeOf(tokens.settings.peppers)
