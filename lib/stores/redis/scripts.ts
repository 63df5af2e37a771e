import { createHash } from 'node:crypto'
import { type Send } from './gate.ts'
import { replyWord } from './outage.ts'

/** A script over one key. Servers keep it by its digest. */
export interface RedisScript {
  source: string
  digest: string
}

/** `1` format. Deletes nothing that a later release wrote; the caller finds that out by itself. */
export const TAKE = script(`
local found = redis.call('GET', KEYS[1])
if found and found ~= '' and found:byte() <= tonumber(ARGV[1]) then redis.call('DEL', KEYS[1]) end
return found
`)

// WAIT waits for what its own connection wrote last (since Redis 7.2; before, for all that was written). Where nothing is left to write, somebody else's write may be under
// way to the replicas, or that of an earlier connection: so something that changes nothing is written behind it.
const TOUCH = `
local function touch (found)
  if found then
    redis.call('SET', KEYS[1], found, 'KEEPTTL')
  else
    redis.call('SET', KEYS[1], '', 'PX', 1)
    redis.call('DEL', KEYS[1])
  end
end
`

/** `1` expected, `2` value, `3` format, `4` milliseconds or nothing, `5` whether to touch. The first byte of what is there instead, or nil. */
export const REPLACE = script(`${TOUCH}
local found = redis.call('GET', KEYS[1])
if found and found == ARGV[1] and found:byte() <= tonumber(ARGV[3]) then
  if ARGV[4] == '' then redis.call('SET', KEYS[1], ARGV[2]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[4]) end
  return 1
end
if ARGV[5] == '1' then touch(found) end
return found and found:sub(1, 1)
`)

/** `1` value, `2` milliseconds or nothing. */
export const ADD_AND_TOUCH = script(`${TOUCH}
local found = redis.call('GET', KEYS[1])
if found then
  touch(found)
  return nil
end
if ARGV[2] == '' then return redis.call('SET', KEYS[1], ARGV[1]) end
return redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
`)

export const DELETE_AND_TOUCH = script(`${TOUCH}
local count = redis.call('DEL', KEYS[1])
if count == 0 then touch(false) end
return count
`)

/** `1` milliseconds. The count, and when it ends. */
export const INCREMENT = script(`
local count = redis.call('INCR', KEYS[1])
local ends = redis.call('PEXPIRETIME', KEYS[1])
if ends < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  ends = redis.call('PEXPIRETIME', KEYS[1])
end
return { count, ends }
`)

/** @internal */
export async function runScript (send: Send, { source, digest }: RedisScript, key: Buffer, args: Array<string | Buffer>): Promise<unknown> {
  try {
    return await send('EVALSHA', [digest, '1', key, ...args])
  } catch (error) {
    if (replyWord(error) !== 'NOSCRIPT') throw error
    return send('EVAL', [source, '1', key, ...args])
  }
}

function script (source: string): RedisScript {
  return { source, digest: createHash('sha1').update(source).digest('hex') }
}
