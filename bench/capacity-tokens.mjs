/**
 * Live tokens for bench/capacity.mjs. They are kept outside of the heap, so that it shows what the package keeps there.
 */
import { randomBytes } from 'node:crypto'
import { parseNamedKey } from 'fastify-doc-tokens/keys'
import { createOpaqueTokens } from 'fastify-doc-tokens/opaque-tokens'

// So that nothing ends while it is measured.
const LIFETIME_S = 30 * 86_400
const CREDENTIAL = { id: 'abcdefgh12345678', owner: 'partner-1' }
const PEPPER = parseNamedKey(`pepper-1:${randomBytes(32).toString('base64url')}`)

/**
 * @param place What openLmdb() or openRedis() returned.
 * @param count How many there will be.
 * @param parameterBytes How long the JSON of the parameters of each is.
 */
export function createTokenSet ({ store, writesInFlight }, count, parameterBytes) {
  const tokens = createOpaqueTokens({ store, pepper: PEPPER, maxLifetime: LIFETIME_S, defaultLifetime: LIFETIME_S })
  const json = parametersOf(parameterBytes)
  const texts = createColumn(count)
  const accessors = createColumn(count)

  async function issue (index) {
    const { token, accessor } = await tokens.issue({ json, credential: CREDENTIAL })
    texts.write(index, token)
    accessors.write(index, accessor)
  }

  // What verifying adds to a look-up where a token has maxUses. Its record is as long as without.
  async function use (index) {
    await store.increment(`opaque/default/${accessors.read(index)}`, LIFETIME_S * 1000, { durable: true })
  }

  return {
    count,
    issueAll: () => inLanes(count, writesInFlight, issue),
    useAll: () => inLanes(count, writesInFlight, use),
    token: (index) => texts.read(index),
    lookUp: (token) => tokens.verify(token)
  }
}

/** Like a caller's, but for the digits that make it as long as it shall be. */
function parametersOf (bytes) {
  const parameters = (file) => JSON.stringify({ userId: 'user-1', file: `${file}.dwg`, server: 'https://f.example' })
  return parameters('1'.repeat(bytes - parameters('').length))
}

/** Texts of one length, in one piece of memory. */
function createColumn (count) {
  let width = 0
  let bytes
  return {
    write (index, text) {
      if (bytes === undefined) {
        width = text.length
        bytes = Buffer.alloc(width * count)
      }
      bytes.write(text, index * width, 'latin1')
    },
    read: (index) => bytes.latin1Slice(index * width, (index + 1) * width)
  }
}

async function inLanes (count, lanes, work) {
  let next = 0
  await Promise.all(Array.from({ length: lanes }, async () => {
    while (next < count) await work(next++)
  }))
}
