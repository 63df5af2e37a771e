import { closeSync, constants, fstatSync, fsyncSync, openSync, type Stats, statSync, writeSync } from 'node:fs'
import { type FastifyBaseLogger } from 'fastify'
import { EVENT_NAMES, onEvent } from 'fastify-doc-tokens/events'

/** Any number of processes may append. Not to wait for a reader, where somebody put a pipe in its place. */
const FLAGS = constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | (constants.O_NONBLOCK ?? 0)

/**
 * Writes all events of this process to a file, a line of JSON for each, until the function that it returns is called.
 *
 * A line is one write, made before the request that it tells of is answered: whatever was answered is in the file when
 * the process is killed, and nothing waits in memory. Only a loss of power takes what the system had not yet brought to
 * the disk. A disk that is slow makes the server slow.
 *
 * What cannot be written goes into the log instead, each event as an error. Once the file takes lines again, one of
 * them tells how many are missing there (`"event":"lost"`).
 *
 * A file that was moved or removed is made anew at the next event, so logrotate needs no signal; `copytruncate` does as
 * well. A new file is for its owner alone; of one that is there the mode is not changed.
 *
 * @throws Whatever the file system does when the file cannot be opened, or a `TypeError` when it is none.
 */
export function startAuditLog (path: string, log: Pick<FastifyBaseLogger, 'error'>): () => void {
  let file = openFile(path)
  let lost = 0
  let isTorn = false

  const write = (text: string): void => {
    if (!isAt(path, file)) {
      // The new one first: while there is none, the next line tries again.
      const next = openFile(path)
      closeSync(file.descriptor)
      file = next
      isTorn = false
    }
    // What the disk took a part of is ended first, so that it spoils no second line.
    const bytes = Buffer.from(isTorn ? `\n${text}` : text)
    const written = writeSync(file.descriptor, bytes)
    if (written > 0) isTorn = written < bytes.length
    if (written < bytes.length) throw new Error('the disk took only a part of it')
  }

  const tellLost = (): void => {
    if (lost === 0) return
    write(toLine({ time: Date.now(), event: 'lost', count: lost }))
    log.error({ lost }, 'the audit log is written again: so many of its lines are in this log only')
    lost = 0
  }

  const record = (entry: Entry): void => {
    try {
      tellLost()
      write(toLine(entry))
    } catch (error) {
      lost++
      log.error({ err: error, audit: entry }, 'the audit log cannot be written')
    }
  }

  const ends = EVENT_NAMES.map((event) => onEvent(event, ({ time, ...members }) => { record({ time, event, ...members }) }))
  return () => {
    for (const end of ends) end()
    try {
      tellLost()
      fsyncSync(file.descriptor)
    } catch (error) {
      log.error({ err: error, lost }, 'the audit log is not complete')
    } finally {
      closeSync(file.descriptor)
    }
  }
}

interface Entry {
  /** Milliseconds since the Unix epoch. */
  time: number
  event: string
}

interface OpenFile extends Pick<Stats, 'dev' | 'ino'> {
  descriptor: number
}

function openFile (path: string): OpenFile {
  const descriptor = openSync(path, FLAGS, 0o600)
  const status = fstatSync(descriptor)
  if (status.isFile()) return { descriptor, dev: status.dev, ino: status.ino }
  closeSync(descriptor)
  throw new TypeError(`${path} is not a file`)
}

function isAt (path: string, { dev, ino }: OpenFile): boolean {
  const status = statSync(path, { throwIfNoEntry: false })
  return status?.dev === dev && status.ino === ino
}

/** With the process, since several may write to one file, and the ids of their requests are alike. */
function toLine ({ time, ...members }: Entry & { count?: number }): string {
  return `${JSON.stringify({ time: new Date(time).toISOString(), pid: process.pid, ...members })}\n`
}
