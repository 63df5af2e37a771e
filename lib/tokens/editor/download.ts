import { type KeyObject } from 'node:crypto'
import { DownloadNotAllowedError, InvalidTokenError, TokenExpiredError, UnknownTenantError } from '../../errors.ts'
import { judgeTimes } from './callback-times.ts'
import { type EditorSettings } from './options.ts'
import { verifyEditorToken } from './signature.ts'

/** What a token for a download holds beside its payload. */
const TIMES: ReadonlySet<string> = new Set(['payload', 'iat', 'exp', 'nbf'])

/**
 * Decides whether the document server may download what is at `url`.
 *
 * Checks the signature under the outbox secrets, that the token is for a download and for nothing else, that `iat` and
 * `exp` are there, at most 600 s apart and around the present, and that it names this URL, both written as a parser prints
 * them. Does not check whether it came before: a download changes nothing.
 *
 * @param token As it came, without the prefix of its header. Untrusted.
 * @param url The whole URL that is asked for. Its origin must come from configuration, never from the request.
 * @param options.tenant Whose secrets verify it, where they are a function of the tenant.
 *
 * @throws {InvalidTokenError} `FDT_INVALID_TOKEN` (401), also for a tenant that there is not.
 * @throws {TokenExpiredError} `FDT_TOKEN_EXPIRED` (401), only once the signature is verified.
 * @throws {DownloadNotAllowedError} `FDT_DOWNLOAD_NOT_ALLOWED` (403) when it is for another URL.
 * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503) when the host's function of the tenant rejects.
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) for no secrets, and what else those of a tenant bring about.
 */
export async function verifyDownload (token: string, url: string, { tenant }: { tenant?: string | undefined }, settings: EditorSettings): Promise<void> {
  const payload = verifyEditorToken(token, await findSecrets(tenant, settings))
  const signedUrl = readUrl(payload)
  const times = judgeTimes(payload, settings)
  if (times.problem !== undefined) throw times.isOver ? new TokenExpiredError() : new InvalidTokenError()

  const [signed, asked] = [normalise(signedUrl), normalise(url)]
  if (asked === undefined || signed !== asked) throw new DownloadNotAllowedError()
}

async function findSecrets (tenant: string | undefined, { secrets }: EditorSettings): Promise<readonly KeyObject[]> {
  try {
    return await secrets.find('outbox', tenant)
  } catch (cause) {
    throw cause instanceof UnknownTenantError ? new InvalidTokenError({ cause }) : cause
  }
}

/** A callback in a header is wrapped in the same way, and has a `url` too. */
function readUrl (claims: Readonly<Record<string, unknown>>): string {
  const { payload } = claims
  if (!Object.keys(claims).every((name) => TIMES.has(name))) throw new InvalidTokenError()
  if (typeof payload !== 'object' || payload === null || Object.keys(payload).join() !== 'url') throw new InvalidTokenError()
  const url: unknown = Reflect.get(payload, 'url')
  if (typeof url !== 'string') throw new InvalidTokenError()
  return url
}

function normalise (url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).href : undefined
}
