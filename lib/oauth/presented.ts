import { InvalidRequestError } from '../errors.ts'
import { decodeFormText, type Form, splitAt } from './form.ts'

/** How a client shows who it is: RFC 6749, section 2.3, and RFC 7523, section 2.2. Nothing of it is verified. */
export type PresentedClient =
  | { readonly method: 'secret', readonly id: string, readonly secret: string }
  | { readonly method: 'assertion', readonly id: string | undefined, readonly assertion: string, readonly type: string | undefined }
  /** Something else than credentials, or nothing. */
  | { readonly method: 'none', readonly id: string | undefined }

/** Characters of an id or a secret: as many as the vendor's service takes. */
const MAX_LENGTH = 100

/** RFC 6749, appendices A.1 and A.2: `VSCHAR`. */
const PRINTABLE = /^[\x20-\x7e]+$/

/** RFC 7235, section 2.1. */
const BASIC = /^Basic +([A-Za-z0-9+/]+={0,2})$/i

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads how a client shows who it is: HTTP Basic, or in the form. Ids and secrets that are too long or hold other
 * characters than a client's may are none.
 *
 * @param authorization The values of all `Authorization` lines. Another scheme than Basic is a failure: who sends it means something by it.
 *
 * @throws {InvalidRequestError} `FDT_INVALID_REQUEST` (400) for more than one way in one request, or a `client_id` that
 * contradicts the one in the header. RFC 6749, section 2.3.
 */
export function readClient (authorization: readonly string[], form: Form): PresentedClient {
  const [header, ...more] = authorization
  const clientId = form.get('client_id')
  const secret = form.get('client_secret')
  const assertion = form.get('client_assertion')
  const type = form.get('client_assertion_type')
  const ways = [header !== undefined, secret !== undefined, assertion !== undefined || type !== undefined].filter(Boolean)
  if (ways.length > 1 || more.length > 0) throw new InvalidRequestError('a client shows in one way who it is, and this request uses more than one')

  if (header !== undefined) {
    const basic = readBasic(header)
    if (basic !== undefined && clientId !== undefined && clientId !== basic.id) throw new InvalidRequestError('client_id contradicts the Authorization header')
    return basic ?? { method: 'none', id: undefined }
  }
  if (assertion !== undefined) return { method: 'assertion', id: clientId, assertion, type }
  const id = asCredential(clientId)
  const known = asCredential(secret)
  return id === undefined || known === undefined ? { method: 'none', id } : { method: 'secret', id, secret: known }
}

/** RFC 6749, section 2.3.1: both are form-encoded before they become user and password of RFC 7617. */
function readBasic (header: string): PresentedClient | undefined {
  const encoded = BASIC.exec(header)?.[1]
  const text = encoded === undefined ? undefined : decodeUtf8(Buffer.from(encoded, 'base64'))
  if (text === undefined || !text.includes(':')) return undefined
  const [id, secret] = splitAt(text, ':').map((part) => asCredential(decodeFormText(part)))
  if (id === undefined) return undefined
  return secret === undefined ? { method: 'none', id } : { method: 'secret', id, secret }
}

function decodeUtf8 (bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

function asCredential (text: string | undefined): string | undefined {
  return text !== undefined && text.length <= MAX_LENGTH && PRINTABLE.test(text) ? text : undefined
}
