import { readFileSync } from 'node:fs'
import { createEditorSignatures } from 'fastify-doc-tokens/config-signing'
import { parseSecret } from 'fastify-doc-tokens/credentials'
import { type NamedKey, parseNamedKey } from 'fastify-doc-tokens/keys'
import { createOpaqueTokens } from 'fastify-doc-tokens/opaque-tokens'
import { createMemoryStore } from 'fastify-doc-tokens/stores/memory'
import { EnvironmentError, explain } from './environment-error.ts'

/** An OAuth client that is known from the environment. */
export interface DemoClient {
  id: string
  secret: string
}

/** A secret stands in the variable itself, or in the file that `<name>_FILE` names. */
export function readSecret (env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name]
  const file = env[`${name}_FILE`]
  if (file === undefined || file === '') return value === '' ? undefined : value
  if (value !== undefined && value !== '') throw new EnvironmentError(name, `and ${name}_FILE cannot both be set`)
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    throw new EnvironmentError(`${name}_FILE`, 'must name a file that can be read')
  }
}

export function readKeys (env: NodeJS.ProcessEnv, name: string): NamedKey[] | undefined {
  const text = readSecret(env, name)
  if (text === undefined) return undefined
  try {
    const keys = text.split(',').map((key) => parseNamedKey(key.trim(), name))
    if (keys.length <= 2) return keys
  } catch {}
  throw new EnvironmentError(name, 'must be id:base64 of 32 random bytes, or two of them with a comma between, the new one first')
}

export function readPeppers (env: NodeJS.ProcessEnv): NamedKey[] | undefined {
  const pepper = readKeys(env, 'TOKEN_PEPPER')
  if (pepper === undefined) return undefined
  try {
    createOpaqueTokens({ pepper, store: createMemoryStore() })
  } catch (error) {
    throw new EnvironmentError('TOKEN_PEPPER', `cannot be used: ${explain(error)}`)
  }
  return pepper
}

export function readDemoKey (env: NodeJS.ProcessEnv): string | undefined {
  const key = readSecret(env, 'DEMO_API_KEY')
  if (key === undefined) return undefined
  if (env['NODE_ENV'] === 'production') throw new EnvironmentError('DEMO_API_KEY', 'must not be set with NODE_ENV=production: make keys with `npx fastify-doc-tokens api-keys create`')
  if (!/^[A-Za-z0-9._~+/-]{32,512}$/.test(key)) throw new EnvironmentError('DEMO_API_KEY', 'must have 32 to 512 characters of A–Z a–z 0–9 . _ ~ + / -')
  // With the prefix of ours and without the checksum, it would be refused as a misspelt key before anybody looks it up.
  if (key.startsWith('fdt_') && parseSecret(key) === undefined) throw new EnvironmentError('DEMO_API_KEY', 'must not begin with fdt_ unless `npx fastify-doc-tokens api-keys create` made it')
  return key
}

/** @throws {EnvironmentError} unless both are given, or neither. */
export function readDemoClient (env: NodeJS.ProcessEnv): DemoClient | undefined {
  const id = env['DEMO_CLIENT_ID'] === '' ? undefined : env['DEMO_CLIENT_ID']
  const secret = readSecret(env, 'DEMO_CLIENT_SECRET')
  if (id === undefined && secret === undefined) return undefined
  if (id === undefined) throw new EnvironmentError('DEMO_CLIENT_ID', 'is required with DEMO_CLIENT_SECRET: the two are one client')
  if (secret === undefined) throw new EnvironmentError('DEMO_CLIENT_SECRET', 'is required with DEMO_CLIENT_ID: the two are one client')
  if (env['NODE_ENV'] === 'production') throw new EnvironmentError('DEMO_CLIENT_SECRET', 'must not be set with NODE_ENV=production: make clients with `npx fastify-doc-tokens clients create`')
  // What a request may send: IdentityServer takes no longer ones.
  if (!/^[\x20-\x7e]{1,100}$/.test(id)) throw new EnvironmentError('DEMO_CLIENT_ID', 'must have 1 to 100 printable characters of ASCII')
  if (!/^[\x20-\x7e]{32,100}$/.test(secret)) throw new EnvironmentError('DEMO_CLIENT_SECRET', 'must have 32 to 100 printable characters of ASCII')
  return { id, secret }
}

export function readEditorSecret (env: NodeJS.ProcessEnv, name: string, allowWeakSecret: boolean): string | undefined {
  const secret = readSecret(env, name)
  if (secret === undefined) return undefined
  try {
    createEditorSignatures({ inbox: secret, allowWeakSecret, onWarning: () => {} })
  } catch (error) {
    throw new EnvironmentError(name, `cannot be used: ${explain(error).replace('inbox: ', '')}`)
  }
  return secret
}
