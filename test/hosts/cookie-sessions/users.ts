import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

const derive = promisify<string, Buffer, number, Buffer>(scrypt)

export interface User { name: string, salt: Buffer, hash: Buffer }

export type Users = Awaited<ReturnType<typeof createUsers>>

/** Users in memory, by name, made of the passwords that they are given. */
export async function createUsers (passwords: Readonly<Record<string, string>>) {
  const users = new Map<string, User>()
  for (const [name, password] of Object.entries(passwords)) {
    const salt = randomBytes(16)
    users.set(name, { name, salt, hash: await derive(password, salt, 32) })
  }
  const nobody: User = { name: '', salt: randomBytes(16), hash: randomBytes(32) }

  return {
    find: (name: string | undefined) => name === undefined ? undefined : users.get(name),
    async check (name: string, password: string): Promise<User | undefined> {
      const user = users.get(name)
      // An unknown name costs as much time as a wrong password.
      const { salt, hash } = user ?? nobody
      return timingSafeEqual(hash, await derive(password, salt, 32)) ? user : undefined
    }
  }
}
