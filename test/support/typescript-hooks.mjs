import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { transformSync } from '@swc/wasm-typescript'

const BUILT = new URL('../../dist/', import.meta.url).href

export async function load (url, context, next) {
  // Without its maps: functions found by them would stand beside the same ones of the sources, and count as not covered.
  if (url.startsWith(BUILT) && url.endsWith('.js')) return toModule((await read(url)).replace(/^\/\/# sourceMappingURL=.*$/m, ''))
  const { protocol, pathname } = new URL(url)
  if (protocol !== 'file:' || !pathname.endsWith('.ts') || pathname.includes('/node_modules/')) return await next(url, context)
  return toModule(transformSync(await read(url), { mode: 'strip-only' }).code)
}

async function read (url) {
  return await readFile(fileURLToPath(url), 'utf8')
}

function toModule (source) {
  return { format: 'module', shortCircuit: true, source }
}
