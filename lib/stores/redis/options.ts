import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { InvalidOptionError } from '../../errors.ts'
import { checkNames, checkWhole, isObject } from '../../options.ts'
import { isLoopback } from '../../urls.ts'
import { parseRedisUrl, type RedisAddress } from './address.ts'
import { type RedisClient } from './client.ts'
import { demandOf } from './demands.ts'
import { type RedisClusterOptions, type RedisHost, type RedisSentinelOptions, type RedisStoreOptions, type RedisTlsOptions } from '../redis.ts'

/** Whom to connect to. */
export type RedisSource =
  { kind: 'url', address: RedisAddress } |
  { kind: 'sentinel', sentinel: RedisSentinelOptions } |
  { kind: 'cluster', cluster: RedisClusterOptions } |
  { kind: 'client', client: RedisClient }

/** Options that have been checked. */
export interface ResolvedRedisOptions {
  prefix: string
  source: RedisSource
  tls: RedisTlsOptions | undefined
  commandTimeout: number
  waitForReplicas: { replicas: number, timeout: number } | undefined
  allowEviction: boolean
  /** Told of an address, or a name of a host, that is sent to: warns once where that is unencrypted and leaves this machine. */
  onHost: (host: string | undefined) => void
  onWarning: (message: string) => void
  onError: (error: Error) => void
}

const NAMES: ReadonlyArray<keyof RedisStoreOptions> = ['prefix', 'url', 'sentinel', 'cluster', 'client', 'tls', 'commandTimeout', 'waitForReplicas', 'allowEviction', 'onWarning', 'onError']
const SOURCES = ['url', 'sentinel', 'cluster', 'client'] as const

/**
 * @internal
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500), with the name of the option and never its value.
 */
export function resolveRedisOptions (options: RedisStoreOptions): ResolvedRedisOptions {
  if (!isObject(options)) throw new InvalidOptionError('options', 'must be an object with a prefix')
  checkNames(options, NAMES)
  const { prefix, allowEviction = false, onWarning = process.emitWarning, onError = () => {} } = options
  if (typeof prefix !== 'string' || !/^[\w:.-]{1,64}$/.test(prefix)) throw new InvalidOptionError('prefix', 'must be 1 to 64 of A-Z, a-z, 0-9, colon, dot, underscore and hyphen')
  if (typeof allowEviction !== 'boolean') throw new InvalidOptionError('allowEviction', 'must be true or false')
  for (const [name, value] of Object.entries({ onWarning, onError })) if (typeof value !== 'function') throw new InvalidOptionError(name, 'must be a function')

  const source = resolveSource(options)
  const commandTimeout = resolveTimeout(options, source)
  const tls = resolveTls(options.tls, source)
  const onHost = exposureWarning(tls !== undefined || source.kind === 'client', onWarning)
  for (const host of hostsOf(source)) onHost(host)
  return { onHost, prefix, source, tls, commandTimeout, waitForReplicas: resolveReplicas(options.waitForReplicas, commandTimeout), allowEviction, onWarning: (message) => { onWarning(message) }, onError }
}

function resolveSource ({ url, sentinel, cluster, client }: RedisStoreOptions): RedisSource {
  const given = Object.entries({ url, sentinel, cluster, client }).filter(([, value]) => value !== undefined)
  if (given.length !== 1) throw new InvalidOptionError(given[1]?.[0] ?? 'url', `must be the only one of ${SOURCES.join(', ')}, and one is needed`)
  if (sentinel !== undefined) return { kind: 'sentinel', sentinel: resolveSentinel(sentinel) }
  if (cluster !== undefined) return { kind: 'cluster', cluster: resolveCluster(cluster) }
  if (client !== undefined) {
    demandOf(client)
    return { kind: 'client', client }
  }
  return { kind: 'url', address: parseRedisUrl(url) }
}

function resolveSentinel (sentinel: RedisSentinelOptions): RedisSentinelOptions {
  if (!isObject(sentinel)) throw new InvalidOptionError('sentinel', 'must be an object')
  checkNames(sentinel, ['nodes', 'name', 'username', 'password', 'sentinelUsername', 'sentinelPassword', 'db'], 'sentinel')
  checkNodes('sentinel.nodes', sentinel.nodes)
  if (typeof sentinel.name !== 'string' || !/^[\w.-]{1,255}$/.test(sentinel.name)) throw new InvalidOptionError('sentinel.name', 'must be what the Sentinels call the primary')
  checkLogin('sentinel.', 'username', sentinel.username, 'password', sentinel.password)
  checkLogin('sentinel.', 'sentinelUsername', sentinel.sentinelUsername, 'sentinelPassword', sentinel.sentinelPassword)
  if (sentinel.db !== undefined) checkWhole('sentinel.db', sentinel.db, 0, 99_999)
  return { ...sentinel }
}

function resolveCluster (cluster: RedisClusterOptions): RedisClusterOptions {
  if (!isObject(cluster)) throw new InvalidOptionError('cluster', 'must be an object')
  checkNames(cluster, ['nodes', 'username', 'password'], 'cluster')
  checkNodes('cluster.nodes', cluster.nodes)
  checkLogin('cluster.', 'username', cluster.username, 'password', cluster.password)
  return { ...cluster }
}

function checkNodes (name: string, nodes: readonly RedisHost[]): void {
  if (!Array.isArray(nodes) || nodes.length === 0) throw new InvalidOptionError(name, 'must be a list of hosts')
  for (const node of nodes) {
    if (!isObject(node)) throw new InvalidOptionError(name, 'must be a list of hosts')
    checkNames(node, ['host', 'port'], name)
    if (typeof node.host !== 'string' || !/^[\w.:-]{1,255}$/.test(node.host)) throw new InvalidOptionError(`${name}.host`, 'must be the name or the address of a host')
    if (node.port !== undefined) checkWhole(`${name}.port`, node.port, 1, 65_535)
  }
}

function checkLogin (holder: string, userName: string, user: unknown, passwordName: string, password: unknown): void {
  for (const [name, value] of [[userName, user], [passwordName, password]] as const) {
    if (value !== undefined && (typeof value !== 'string' || value === '')) throw new InvalidOptionError(holder + name, 'must be text')
  }
  if (user !== undefined && password === undefined) throw new InvalidOptionError(holder + passwordName, `is needed with ${userName}`)
}

function resolveTimeout ({ commandTimeout }: RedisStoreOptions, source: RedisSource): number {
  if (source.kind !== 'client') {
    if (commandTimeout !== undefined) checkWhole('commandTimeout', commandTimeout, 50, 800)
    return commandTimeout ?? 500
  }
  if (commandTimeout !== undefined) throw new InvalidOptionError('commandTimeout', 'must be that of the client')
  return demandOf(source.client)
}

function resolveTls (tls: RedisTlsOptions | true | undefined, source: RedisSource): RedisTlsOptions | undefined {
  const isEncrypted = source.kind === 'url' && source.address.tls
  if (tls === undefined) return isEncrypted ? {} : undefined
  if (source.kind === 'client' || (source.kind === 'url' && !isEncrypted)) throw new InvalidOptionError('tls', 'must go with rediss://, sentinel or cluster')
  if (tls === true && !isEncrypted) return {}
  if (!isObject(tls)) throw new InvalidOptionError('tls', `must be an object${isEncrypted ? '' : ' or true'}`)

  checkNames(tls, ['ca', 'cert', 'key', 'servername'], 'tls')
  if (tls.servername !== undefined && (typeof tls.servername !== 'string' || tls.servername === '')) throw new InvalidOptionError('tls.servername', 'must be text')
  checkPem(tls)
  return { ...tls }
}

/** An authority that it cannot read is passed over by Node.js without a word, and a key that it cannot use is thrown at every connection. */
function checkPem ({ ca, cert, key }: RedisTlsOptions): void {
  const faults: Array<[name: string, isGood: () => unknown]> = [
    ['tls.ca', () => ca === undefined || (ca.length > 0 && [ca].flat().map((pem) => new X509Certificate(pem)))],
    ['tls.cert', () => cert === undefined || new X509Certificate(cert)],
    ['tls.key', () => key === undefined || createPrivateKey(key)],
    ['tls.cert', () => cert !== undefined || key === undefined],
    ['tls.key', () => cert === undefined || (key !== undefined && createSecureContext({ cert, key }))]
  ]
  for (const [name, isGood] of faults) {
    if (!succeeds(isGood)) throw new InvalidOptionError(name, 'must be PEM that can be read, a certificate and its key together')
  }
}

/** What OpenSSL says of a failure may tell something of what it read. */
function succeeds (check: () => unknown): boolean {
  try {
    return Boolean(check())
  } catch {
    return false
  }
}

function resolveReplicas (waitForReplicas: RedisStoreOptions['waitForReplicas'], commandTimeout: number): ResolvedRedisOptions['waitForReplicas'] {
  if (waitForReplicas === undefined) return undefined
  if (!isObject(waitForReplicas)) throw new InvalidOptionError('waitForReplicas', 'must be an object')
  checkNames(waitForReplicas, ['replicas', 'timeout'], 'waitForReplicas')
  const { replicas, timeout = Math.ceil(commandTimeout / 2) } = waitForReplicas
  checkWhole('waitForReplicas.replicas', replicas, 1, 100)
  checkWhole('waitForReplicas.timeout', timeout, 1, Math.floor(commandTimeout))
  return { replicas, timeout }
}

/** Hosts that a Sentinel or a Cluster tells of are not in the options. */
function exposureWarning (isSilent: boolean, onWarning: (message: string) => void): ResolvedRedisOptions['onHost'] {
  let hasWarned = isSilent
  return (host) => {
    // A connection that is gone has none.
    if (hasWarned || host === undefined || isLoopback(host)) return
    hasWarned = true
    onWarning('The Redis store sends all it keeps, and its password, unencrypted over the network: use TLS')
  }
}

/** Whose way there is ours to choose. */
function hostsOf (source: RedisSource): string[] {
  if (source.kind === 'url') return [source.address.host]
  if (source.kind === 'client') return []
  return (source.kind === 'sentinel' ? source.sentinel : source.cluster).nodes.map(({ host }) => host)
}
