import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** Bytes that a file may have. */
const LIMIT = 100 * 1024 * 1024

/**
 * Downloads what the document server keeps, into a new file, which is whole on the disk when this resolves.
 *
 * Follows no redirect: a URL was checked for where it leads. Nothing of it is in an error.
 *
 * @param timeout Milliseconds in which all of it must be here.
 *
 * @returns The SHA-256 of the file.
 *
 * @throws When there is no such file, an empty one, one of more than 100 MiB, or not in time.
 */
export async function download (url: string, path: string, timeout: number): Promise<string> {
  const reply = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(timeout) })
  if (reply.status !== 200 || reply.body === null) {
    await reply.body?.cancel()
    throw new Error(`the document server answered ${reply.status}`)
  }

  const hash = createHash('sha256')
  let size = 0
  const measure = async function * (chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      size += chunk.length
      if (size > LIMIT) throw new Error(`the file of the document server has more than ${LIMIT} bytes`)
      hash.update(chunk)
      yield chunk
    }
    if (size === 0) throw new Error('the file of the document server is empty')
  }
  await pipeline(Readable.fromWeb(reply.body), measure, createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true }))
  return hash.digest('hex')
}
