import { FLOWS } from '../credentials/api-key.ts'
import { COMMON_HELP, STORE_HELP, TIME_HELP } from './arguments.ts'

export const HELP = `Usage: fastify-doc-tokens api-keys <command> [options]

An API key lets a program ask your server for tokens. It has an id, which is public, and a secret,
which is shown once and then kept as a digest only. A running server takes part in every change at once.

Commands:
  create          make a key
  list            show all keys
  rotate <id>     give a key a new secret
  disable <id>    refuse a key until it is enabled
  enable <id>     accept it again
  revoke <id>     delete a key for good

${STORE_HELP}
Each command has more help: fastify-doc-tokens api-keys create --help
`

export const CREATE_HELP = `Usage: fastify-doc-tokens api-keys create [options]

Makes an API key and shows its secret, once. Without limits the key may do everything.

Options:
      --label <text>          what the key is for
      --owner <text>          whose key it is
      --flow <name>           limit it to this flow: ${FLOWS.join(' or ')}; may be repeated
      --document <id>         limit it to this document; may be repeated
      --permission <name>     limit it to this permission; may be repeated
      --max-lifetime <time>   the longest life of a token that it asks for
      --rate-limit <rate>     how many requests it may make in what time, such as 100/1m;
                              default is what the server allows every key
      --expires-in <time>     when the secret ends; default is never
${COMMON_HELP}
A time is a number of seconds, or a number with s, m, h or d behind it: 90, 15m, 24h, 30d. The time of
a rate begins with the first request, and then anew.

Example: fastify-doc-tokens api-keys create --label "web shop" --flow session-issuance --permission read
`

export const LIST_HELP = `Usage: fastify-doc-tokens api-keys list [options]

Shows all API keys, the oldest first. Their secrets cannot be shown: nobody has them but their holders.

Options:
${COMMON_HELP}`

export const ROTATE_HELP = `Usage: fastify-doc-tokens api-keys rotate <id> [options]

Gives an API key a new secret, and shows it once. The secret before works on for a while, so that no request
fails until the new one is in place everywhere. Rotated again meanwhile, the oldest of the three ends at once.

Options:
      --overlap <time>        how long the secret before works on; default is 24h, 0 ends it at once
      --expires-in <time>     when the new secret ends; default is never
${COMMON_HELP}
${TIME_HELP}`

export const DISABLE_HELP = `Usage: fastify-doc-tokens api-keys disable <id> [options]

Refuses an API key from its next request on, until it is enabled. Tokens that were issued to it live on.

Options:
${COMMON_HELP}`

export const ENABLE_HELP = `Usage: fastify-doc-tokens api-keys enable <id> [options]

Accepts a disabled API key again.

Options:
${COMMON_HELP}`

export const REVOKE_HELP = `Usage: fastify-doc-tokens api-keys revoke <id> [options]

Deletes an API key for good; disable is the one that can be undone. Tokens that were issued to it live on.

Options:
${COMMON_HELP}`
