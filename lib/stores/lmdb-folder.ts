import { chmodSync, closeSync, mkdirSync, openSync, readSync, readdirSync, rmSync, statSync, type Stats, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { InvalidOptionError, StoreUnavailableError } from '../errors.ts'

/** @internal Its presence makes a folder a store. */
export const DATA_FILE = 'data.mdb'
const LOCK_FILE = 'lock.mdb'

// LMDB's first page: 24 bytes of page header, then its magic number and the version of its format.
const HEADER_LENGTH = 32
const MAGIC = 0xbeefc0de
const FORMAT = 2
// Two meta pages of 4096 bytes, the smallest that there are.
const SMALLEST_FILE = 8192
// More than what a new environment writes before it is open.
const ROOM = 65_536

/**
 * Makes the folder of an environment, or closes the one that is there to other users. That is before
 * the first file, so at no moment can they open one, whatever the umask.
 *
 * @internal
 * @throws {InvalidOptionError} `FDT_INVALID_OPTION` (500) when the folder is open to others and holds
 * what is not ours: closing it might lock somebody out of a home.
 */
export function prepareFolder (path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  if (modeOf(statSync(path)) === 0o700) return

  const names = readdirSync(path)
  if (names.length > 0 && !names.includes(DATA_FILE)) throw new InvalidOptionError('path', 'must be a folder for the store alone, or one that is closed to other users')
  chmodSync(path, 0o700)
}

/**
 * Closes the files of an environment to other users. It goes by name, never by descriptor: a process
 * that closes any descriptor of a lock file loses its locks on it.
 *
 * @internal
 */
export function protectFiles (path: string): void {
  for (const name of [DATA_FILE, LOCK_FILE]) {
    const file = join(path, name)
    if (modeOf(statSync(file)) !== 0o600) chmodSync(file, 0o600)
  }
}

/**
 * Refuses what would not open. lmdb-js 3.5 ends the whole process when LMDB finds a fault later than
 * in its first steps of opening, so the files and the room on the disk are looked at before.
 *
 * @internal
 * @throws {StoreUnavailableError} `FDT_STORE_UNAVAILABLE` (503) with the cause.
 */
export function checkFiles (path: string): void {
  if (lookAt(path, LOCK_FILE)?.isFile() === false) throw new StoreUnavailableError({ cause: new TypeError(`${LOCK_FILE} is not a file`) })

  const size = lookAt(path, DATA_FILE)?.size ?? 0
  if (size === 0) checkRoom(path)
  else if (size < SMALLEST_FILE || !isEnvironment(join(path, DATA_FILE))) throw new StoreUnavailableError({ cause: new TypeError(`${DATA_FILE} is not an LMDB environment of format ${FORMAT}`) })
}

function modeOf ({ mode }: Stats): number {
  return mode & 0o777
}

function lookAt (path: string, name: string): Stats | undefined {
  return statSync(join(path, name), { throwIfNoEntry: false })
}

function isEnvironment (file: string): boolean {
  const header = Buffer.alloc(HEADER_LENGTH)
  const descriptor = openSync(file, 'r')
  try {
    readSync(descriptor, header)
  } finally {
    closeSync(descriptor)
  }
  return header.readUInt32LE(24) === MAGIC && header.readUInt32LE(28) === FORMAT
}

function checkRoom (path: string): void {
  const probe = join(path, `room-${process.pid}`)
  try {
    writeFileSync(probe, Buffer.alloc(ROOM), { mode: 0o600 })
  } finally {
    rmSync(probe, { force: true })
  }
}
