import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..', '..')

/** What has to be covered is the package, by whichever test: not the examples, which are built and run as a user would. */
const sources = ['lib', 'plugins'].flatMap((folder) => readdirSync(join(root, folder), { recursive: true })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join(root, folder, name)))

export default () => sources
