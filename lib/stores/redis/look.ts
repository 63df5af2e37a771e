import { InvalidOptionError } from '../../errors.ts'
import { type Send } from './gate.ts'
import { replyWord } from './outage.ts'

/** What {@link lookAt} needs to know. */
export interface Demands {
  /** The option that told of the server. */
  option: string
  allowEviction: boolean
  /** Called when the policy cannot be read. */
  warn: () => void
}

/** A script that may write, which a replica refuses, whatever else it would let through. Redis 6 does not know the first line. */
const PROBE = '#!lua\nreturn 1'

/**
 * Looks whether a server may be used: it is a primary, runs scripts as Redis 7 does, has the database, and throws nothing away.
 *
 * @internal
 * @param db ioredis takes the first database where it cannot have another one, and goes on.
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for what stays wrong until somebody changes it.
 * @throws What ioredis rejects with, for all else.
 */
export async function lookAt (send: Send, db: number, { option, allowEviction, warn }: Demands): Promise<void> {
  if (db > 0) await orRefuse(() => send('SELECT', [String(db)]), option, 'must have the database that is asked for')
  await orRefuse(() => send('EVAL', [PROBE, '0']), option, 'must be Redis 7 or Valkey 7.2, or newer')
  if (allowEviction) return

  const policy = await configuredPolicy(send) ?? await informedPolicy(send)
  if (policy === undefined) warn()
  else if (policy !== 'noeviction') throw new InvalidOptionError(option, `must be a Redis with maxmemory-policy noeviction, not ${policy}, which may throw away revocations and locks (allowEviction lets it)`)
}

async function configuredPolicy (send: Send): Promise<string | undefined> {
  const reply = await orUndefined(() => send('CONFIG', ['GET', 'maxmemory-policy']))
  return Array.isArray(reply) && reply.length === 2 ? policyIn(String(reply[1])) : undefined
}

async function informedPolicy (send: Send): Promise<string | undefined> {
  const reply = await orUndefined(() => send('INFO', ['memory']))
  return policyIn(/^maxmemory_policy:(.*?)\r?$/m.exec(String(reply))?.[1] ?? '')
}

/** What is told of it must be no text of anybody's choice. */
function policyIn (text: string): string | undefined {
  return /^[a-z-]{1,32}$/.exec(text)?.[0]
}

/** Some may not ask, and some services take the command away. */
async function orUndefined (ask: () => Promise<unknown>): Promise<unknown> {
  try {
    return await ask()
  } catch (error) {
    if (replyWord(error) === 'NOPERM' || isUnable(error)) return undefined
    throw error
  }
}

async function orRefuse (ask: () => Promise<unknown>, option: string, demand: string): Promise<void> {
  try {
    await ask()
  } catch (error) {
    throw isUnable(error) ? new InvalidOptionError(option, demand) : error
  }
}

/** Whether the server cannot do it, and not only for the moment. */
function isUnable (error: unknown): boolean {
  return replyWord(error) === 'ERR' && !/^ERR max number of clients/.test((error as Error).message) // a reply is an Error
}
