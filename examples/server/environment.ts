import { isIP } from 'node:net'
import { join, resolve } from 'node:path'
import { type NamedKey } from 'fastify-doc-tokens/keys'
import { EnvironmentError } from './environment-error.ts'
import { type DemoClient, readDemoClient, readDemoKey, readEditorSecret, readKeys, readPeppers, readSecret } from './environment-secrets.ts'
import { packageRoot } from './package-root.ts'

export { EnvironmentError, namingVariable } from './environment-error.ts'

/** What the server reads from its environment, checked. */
export interface Environment {
  host: string
  port: number
  issuer: string
  /** Nobody said who issues: then it is whoever started first on the data folder. */
  issuerIsDefault: boolean
  dataDir: string
  /** Path of the file that all events are written to. Absent: they are not. */
  auditLog?: string
  logLevel: string
  /** Seconds in which a request must be here. The other time-outs follow it. */
  requestTimeout: number
  trustProxy: string[]
  corsOrigins: string[]
  /** Path of a JWKS, followed. Absent: keys are made and kept in the store. */
  keysFile?: string
  /** Absent: one is made in the data folder. */
  keyEncryptionKeys?: NamedKey[]
  /** Absent: one is made in the data folder. */
  tokenPeppers?: NamedKey[]
  /** The Redis that keeps what is kept otherwise in the data folder. It may hold a password. */
  redisUrl?: string
  /** A known API key, kept in memory only. Absent: one is made at the first start. */
  demoApiKey?: string
  /** A known OAuth client, kept in memory only. */
  demoClient?: DemoClient
  /** What the editor is given is signed with it. Absent: one is made in the data folder. */
  editorSecret?: string
  /** What the document server sends is signed with it. Absent: it is the same one. */
  editorOutboxSecret?: string
  /** Secrets of the editor may be such that anybody can guess. */
  allowWeakSecret: boolean
  /** Where the document server is, without a slash behind it. Absent: there is none, and documents open for reading. */
  documentServerUrl?: string
}

/** More seconds than that are as good as none. */
const GREATEST_REQUEST_TIMEOUT = 300

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']

/** @throws {EnvironmentError} for the first variable that is wrong. Unset and empty are one. */
export function readEnvironment (env: NodeJS.ProcessEnv): Environment {
  const read = (name: string, fallback = ''): string => env[name] === undefined || env[name] === '' ? fallback : env[name]

  const host = read('HOST', '127.0.0.1')
  if (!/^[\w.:-]+$/.test(host)) throw new EnvironmentError('HOST', 'must be an address or a name, such as 127.0.0.1')
  const port = Number(read('PORT', '3000'))
  if (!/^\d+$/.test(read('PORT', '3000')) || port > 65_535) throw new EnvironmentError('PORT', 'must be a number from 0 to 65535')
  const logLevel = read('LOG_LEVEL', 'info')
  if (!LOG_LEVELS.includes(logLevel)) throw new EnvironmentError('LOG_LEVEL', `must be one of ${LOG_LEVELS.join(', ')}`)

  const requestTimeout = Number(read('REQUEST_TIMEOUT', '30'))
  if (!/^\d+$/.test(read('REQUEST_TIMEOUT', '30')) || requestTimeout < 1 || requestTimeout > GREATEST_REQUEST_TIMEOUT) {
    throw new EnvironmentError('REQUEST_TIMEOUT', `must be a number of seconds from 1 to ${GREATEST_REQUEST_TIMEOUT}`)
  }

  const keysFile = read('KEYS_FILE')
  const keyEncryptionKeys = readKeys(env, 'KEY_ENCRYPTION_KEY')
  const tokenPeppers = readPeppers(env)
  const redisUrl = readSecret(env, 'REDIS_URL') ?? ''
  for (const [name, keys] of Object.entries({ KEY_ENCRYPTION_KEY: keyEncryptionKeys, TOKEN_PEPPER: tokenPeppers })) {
    // Another process on that Redis would make another one, and open nothing of the first.
    if (redisUrl !== '' && keys === undefined) throw new EnvironmentError(name, 'is required with REDIS_URL: id:base64 of 32 random bytes, the same for all processes')
  }
  const demoApiKey = readDemoKey(env)
  const demoClient = readDemoClient(env)
  // The one that development servers come with is the word `secret`.
  const allowWeakSecret = env['NODE_ENV'] !== 'production'
  const editorSecret = readEditorSecret(env, 'EDITOR_SECRET', allowWeakSecret)
  const editorOutboxSecret = readEditorSecret(env, 'EDITOR_OUTBOX_SECRET', allowWeakSecret)
  const documentServerUrl = read('DOCUMENT_SERVER_URL')
  if (documentServerUrl !== '' && !isPlainUrl(documentServerUrl)) throw new EnvironmentError('DOCUMENT_SERVER_URL', 'must be an http(s) URL without user, query and fragment, such as https://docs.example')
  const dataDir = resolve(read('DATA_DIR', join(packageRoot, 'data')))
  const auditLog = read('AUDIT_LOG', join(dataDir, 'audit.jsonl'))
  return {
    host,
    port,
    issuer: readIssuer(read('ISSUER'), host, port),
    issuerIsDefault: read('ISSUER') === '',
    dataDir,
    ...(auditLog !== 'off' && { auditLog: resolve(auditLog) }),
    logLevel,
    requestTimeout,
    trustProxy: readList(read('TRUST_PROXY'), isAddressRange, 'TRUST_PROXY', 'must be a list of addresses and CIDRs (at least /8, or /7 of version 6), such as 10.0.0.0/8,::1 (a number or "true" would believe what anybody claims)'),
    corsOrigins: readList(read('CORS_ORIGINS'), isOrigin, 'CORS_ORIGINS', 'must be a list of origins, such as https://app.example'),
    ...(keysFile !== '' && { keysFile: resolve(keysFile) }),
    ...(keyEncryptionKeys !== undefined && { keyEncryptionKeys }),
    ...(tokenPeppers !== undefined && { tokenPeppers }),
    ...(redisUrl !== '' && { redisUrl }),
    ...(demoApiKey !== undefined && { demoApiKey }),
    ...(demoClient !== undefined && { demoClient }),
    ...(editorSecret !== undefined && { editorSecret }),
    ...(editorOutboxSecret !== undefined && { editorOutboxSecret }),
    allowWeakSecret,
    ...(documentServerUrl !== '' && { documentServerUrl: documentServerUrl.replace(/\/$/, '') })
  }
}

function readIssuer (issuer: string, host: string, port: number): string {
  if (issuer === '') {
    if (!isLoopback(host)) throw new EnvironmentError('ISSUER', 'is required when HOST is not a loopback address: the URL under which clients reach this server')
    return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  }
  if (!isPlainUrl(issuer)) throw new EnvironmentError('ISSUER', 'must be an http(s) URL without user, query and fragment')
  // The path is also one of a route: that of the metadata. RFC 8414, section 3.1.
  if (!/^[\w./~-]+$/.test(new URL(issuer).pathname)) throw new EnvironmentError('ISSUER', 'must have no other characters in its path than A-Z a-z 0-9 . _ ~ -')
  return issuer
}

function isPlainUrl (text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url !== undefined && /^https?:$/.test(url.protocol) && (url.href === text || url.href === `${text}/`) && !/[?#@]/.test(text)
}

function readList (text: string, isGood: (item: string) => boolean, name: string, expectation: string): string[] {
  const items = text.split(',').map((item) => item.trim()).filter((item) => item !== '')
  if (!items.every(isGood)) throw new EnvironmentError(name, expectation)
  return items
}

/** Whether only this machine gets there. Of names, `localhost` alone is known to be one. */
export function isLoopback (host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** No wider than the private ranges: what holds half of all addresses would believe what anybody claims, too. */
function isAddressRange (item: string): boolean {
  const [address = '', bits, ...rest] = item.split('/')
  const version = isIP(address)
  // A zone belongs to one interface of one machine, and is no part of what a proxy reports.
  if (version === 0 || rest.length > 0 || address.includes('%')) return false
  if (bits === undefined) return true
  // Of the addresses of version 4 in their other spelling, ::ffff:0:0/96 holds all.
  if (version === 6 && new URL(`http://[${address}]`).hostname.startsWith('[::ffff:')) return false
  const [fewest, most] = version === 4 ? [8, 32] : [7, 128]
  return /^\d{1,3}$/.test(bits) && Number(bits) >= fewest && Number(bits) <= most
}

/** A `*` would stand for itself, and let in nobody. */
function isOrigin (item: string): boolean {
  return URL.canParse(item) && new URL(item).origin === item && /^https?:[^*]+$/.test(item)
}
