import { KEY_ALGORITHMS } from '../keys/key-material.ts'
import { COMMON_HELP, STORE_HELP, TIME_HELP } from './arguments.ts'

const SEAL_HELP = `The keys are sealed in the store, so it takes what the server seals them with:
  KEY_ENCRYPTION_KEY          id:base64 of 32 random bytes; two with a comma between while one replaces the other
  KEY_ENCRYPTION_KEY_FILE     a file with it instead
Without either it is the file key-encryption-key in the data folder, which the server makes there.
`

const RING_OPTION = `      --ring <name>           which ring, as the server names it: the example server has sessions
                              (ES256) and access (RS256)
`

export const HELP = `Usage: fastify-doc-tokens keys <command> [options]

A ring holds the keys that a server signs its tokens with: one signs, and the others verify what they have signed
before. A server makes the first key by itself. It and all others on the same store take part in every change within
two seconds, without a restart. A private key is never shown.

Commands:
  generate        make the first key of a ring, before a server does
  list            show the keys of all rings, or of one
  rotate          make the next key, which signs a little later
  remove <kid>    refuse all tokens of a key from now on

${STORE_HELP}
${SEAL_HELP}
Each command has more help: fastify-doc-tokens keys rotate --help
`

export const GENERATE_HELP = `Usage: fastify-doc-tokens keys generate --ring <name> [options]

Makes the first key of a ring, which signs at once. When the ring has a key already, nothing is changed and the exit
code is 1: rotate makes the next one.

Options:
${RING_OPTION}      --algorithm <name>      ${KEY_ALGORITHMS.join(', ')}; default is ES256
${COMMON_HELP}
${SEAL_HELP}For a data folder that has none yet, it is made.

Example: fastify-doc-tokens keys generate --ring access --algorithm RS256
`

export const LIST_HELP = `Usage: fastify-doc-tokens keys list [options]

Shows the keys of all rings, or of one, the oldest first: which one signs now, which one will sign, and which ones
verify older tokens only. A key that is unusable was sealed with another key encryption key.

Options:
${RING_OPTION}${COMMON_HELP}
${SEAL_HELP}`

export const ROTATE_HELP = `Usage: fastify-doc-tokens keys rotate --ring <name> [options]

Makes the next key of a ring, for the same algorithm. It verifies at once, and signs a little later: others who have
your server's public keys keep them for a while, and would refuse tokens of a key that they have not seen yet. So the
time must be longer than they keep them. Where your own servers alone verify, as with sessions, 10s is enough.

The key before goes on verifying. Take it out with remove, when the last token that it has signed is over. When somebody
else rotates the ring at the same moment, one of the two keys is made, and both are told of that one.

Options:
${RING_OPTION}      --signs-in <time>       when the new key begins to sign; default is 10m, at most 30d. With 0, tokens
                              are refused for up to two seconds by other processes
${COMMON_HELP}
${TIME_HELP}
${SEAL_HELP}`

export const REMOVE_HELP = `Usage: fastify-doc-tokens keys remove <kid> --ring <name> [options]

Takes a key out of a ring for good, and overwrites it in the store: every token that it has signed is refused, by all
servers within two seconds. The key that signs cannot be removed: rotate first, and wait until the new one signs.

Options:
${RING_OPTION}${COMMON_HELP}
${SEAL_HELP}`
