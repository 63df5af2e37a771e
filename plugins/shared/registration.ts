import { type FastifyInstance } from 'fastify'
import { type ApiKeySource } from '../../lib/credentials/index.ts'
import { AlreadyRegisteredError, InvalidOptionError } from '../../lib/errors.ts'
import { checkNames, isObject } from '../../lib/options.ts'

/** Per flow: scopes that lie around one where it is registered. */
const around = new Map<string, WeakSet<object>>()

/** Per flow and app (known by its server, which all scopes share): the instances by name. */
const named = new Map<string, WeakMap<object, Map<string, object>>>()

/**
 * Refuses a second instance of a flow where it would shadow the first, or where both would share tokens.
 *
 * @param decorator What the flow decorates the scope with.
 * @param name The instance's `name`.
 * @param owner The object behind the instance: two scopes may share one.
 *
 * @throws {AlreadyRegisteredError} `FDT_ALREADY_REGISTERED` (500).
 */
export function claimScope (fastify: FastifyInstance, decorator: string, name: string, owner: object): void {
  const outer = getOrMake(around, decorator, () => new WeakSet())
  const instances = getOrMake(getOrMake(named, decorator, () => new WeakMap()), fastify.server, () => new Map())

  if (fastify.hasDecorator(decorator) || outer.has(fastify)) throw new AlreadyRegisteredError(decorator, 'in this scope, or in one around or inside it')
  if ((instances.get(name) ?? owner) !== owner) throw new AlreadyRegisteredError(decorator, 'give each instance a name of its own')

  instances.set(name, owner)
  // A child scope is made from its parent by prototype.
  for (let scope: unknown = Object.getPrototypeOf(fastify); typeof scope === 'object' && scope !== null; scope = Object.getPrototypeOf(scope)) outer.add(scope)
}

/** What Fastify itself may put into, or read from, a plugin's options. */
const FASTIFY_OPTIONS = ['prefix', 'logLevel', 'logSerializers']

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for an option that does not exist, such as a misspelt one. */
export function refuseUnknownOptions (options: object, known: ReadonlySet<string>): void {
  checkNames(options, [...known, ...FASTIFY_OPTIONS])
}

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for an option of `idle` that is given. */
export function refuseIdle (options: object, idle: readonly string[], why: string): undefined {
  const given = Object.entries(options).find(([option, value]) => value !== undefined && idle.includes(option))
  if (given !== undefined) throw new InvalidOptionError(given[0], why)
}

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) unless API keys can be looked up in it. */
export function checkKeySource (option: string, source: ApiKeySource | undefined): asserts source is ApiKeySource {
  checkFinder(option, source, 'must be a registry of API keys, or an object with a function find')
}

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) unless credentials can be looked up in it. */
export function checkFinder<Source extends object> (option: string, source: Source | undefined, must: string): asserts source is Source {
  // A list has a function of this name too.
  if (!isObject(source) || !('find' in source) || typeof source.find !== 'function') throw new InvalidOptionError(option, must)
}

/** @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) unless it is a path to hang routes under, or empty. */
export function checkPrefix (prefix: unknown): asserts prefix is string {
  if (typeof prefix !== 'string' || !/^(?:\/[\w.~-]+)*$/.test(prefix)) throw new InvalidOptionError('prefix', 'must be a path such as /api')
}

function getOrMake<Key, Value> (map: { get (key: Key): Value | undefined, set (key: Key, value: Value): unknown }, key: Key, make: () => Value): Value {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}
