import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

const NODE_LINES = [20, 22, 24]

/**
 * This Node.js, and the newest of the other supported lines from the npm registry, where each platform has a package
 * with the binary.
 *
 * @param {string} folder Where to put them: a new folder.
 * @returns {string[]} Paths of the binaries, oldest line first.
 */
export function provideNodes (folder) {
  const own = Number(process.versions.node.split('.')[0])
  const others = NODE_LINES.filter((line) => line !== own)
  const platform = process.platform === 'win32' ? 'win' : process.platform
  npm(folder, 'install', ...others.map((line) => `node-${line}@npm:node-${platform}-${process.arch}@${line}`))
  return NODE_LINES.map((line) => line === own ? process.execPath : join(folder, 'node_modules', `node-${line}`, 'bin', 'node'))
}

/** Runs npm in `folder` as a user would, and returns what it printed. */
export function npm (folder, ...args) {
  const options = { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 26, stdio: ['ignore', 'pipe', 'pipe'], shell: process.platform === 'win32' }
  // An outer npm hands its own settings on; a user's folder has none of them.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_(?!config_(cache|registry|userconfig)$)/i.test(name)))
  const flags = args[0] === 'install' ? ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline'] : []
  return execFileSync('npm', [...args.slice(0, 1), ...flags, ...args.slice(1)], { ...options, env })
}
