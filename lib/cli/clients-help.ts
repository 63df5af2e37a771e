import { COMMON_HELP, STORE_HELP, TIME_HELP } from './arguments.ts'

export const HELP = `Usage: fastify-doc-tokens clients <command> [options]

A client is a program that gets access tokens from your server (OAuth 2.0 client credentials, POST /connect/token).
It has an id, which is public, and a secret, which is shown once and then kept as a digest only; or a key pair, of
which the server knows the public half. A running server takes part in every change at once.

Commands:
  create              make a client
  list                show all clients
  rotate-secret <id>  give a client a new secret
  disable <id>        refuse a client until it is enabled
  enable <id>         accept it again
  remove <id>         delete a client for good

${STORE_HELP}
Each command has more help: fastify-doc-tokens clients create --help
`

export const CREATE_HELP = `Usage: fastify-doc-tokens clients create [options]

Makes a client and shows its secret, once, and how to get a token with it. Without limits it may have tokens for
everything that the server gives out.

Options:
      --label <text>          what the client is for
      --owner <text>          whose client it is
      --scope <name>          limit it to this scope; may be repeated
      --default-scope <name>  what it gets when it asks for no scope: one of its scopes; may be repeated
      --audience <text>       limit its tokens to this resource, as the server calls it; may be repeated
      --introspects <text>    let it introspect the tokens for this audience, beside its own; may be repeated
      --token-lifetime <time> how long its tokens live; default is what the server gives every client
      --require-dpop          give it tokens with a DPoP proof only, which nobody else can use (RFC 9449)
      --rate-limit <rate>     how many requests it may make in what time, such as 100/1m;
                              default is what the server allows every client
      --expires-in <time>     when the secret ends; default is never
      --public-key <file>     a public key, as a JWK or PEM, for private_key_jwt (RFC 7523); may be repeated, up to
                              four times. RSA is for RS256, unless the "alg" of a JWK is PS256
      --no-secret             make no secret: the client shows who it is with its keys alone
${COMMON_HELP}
${TIME_HELP}
Example: fastify-doc-tokens clients create --label "report service" --scope api.read --token-lifetime 1h
`

export const LIST_HELP = `Usage: fastify-doc-tokens clients list [options]

Shows all clients, the oldest first. Their secrets cannot be shown: nobody has them but their holders.

Options:
${COMMON_HELP}`

export const ROTATE_HELP = `Usage: fastify-doc-tokens clients rotate-secret <id> [options]

Gives a client a new secret, or its first one, and shows it once. The secret before works on for a while, so that no
request fails until the new one is in place everywhere. Rotated again meanwhile, the oldest of the three ends at once.

Options:
      --overlap <time>        how long the secret before works on; default is 24h, 0 ends it at once
      --expires-in <time>     when the new secret ends; default is never
${COMMON_HELP}
${TIME_HELP}`

export const DISABLE_HELP = `Usage: fastify-doc-tokens clients disable <id> [options]

Refuses a client from its next request for a token on, until it is enabled. Tokens that it has live on.

Options:
${COMMON_HELP}`

export const ENABLE_HELP = `Usage: fastify-doc-tokens clients enable <id> [options]

Accepts a disabled client again.

Options:
${COMMON_HELP}`

export const REMOVE_HELP = `Usage: fastify-doc-tokens clients remove <id> [options]

Deletes a client for good; disable is the one that can be undone. Tokens that it has live on.

Options:
${COMMON_HELP}`
