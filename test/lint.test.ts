import { resolve } from 'node:path'
import { ESLint } from 'eslint'
import t from 'tap'

const root = resolve(import.meta.dirname, '..')

t.test('lib/ is free of Fastify, and calls nothing above it', async (t) => {
  const eslint = new ESLint({ cwd: root })
  const isRefused = async (folder: string, specifier: string) => {
    const [result] = await eslint.lintText(`import '${specifier}'\n`, { filePath: resolve(root, folder, 'errors.ts') })
    return result?.messages.some(({ ruleId }) => ruleId === 'no-restricted-imports')
  }
  for (const specifier of ['fastify', 'fastify/lib/symbols.js', 'fastify-plugin', '@fastify/jwt', '@fastify/rate-limit', '../plugins/session-issuance/index.ts']) t.equal(await isRefused('lib', specifier), true, specifier)
  for (const specifier of ['@fastify/error', '@sinclair/typebox', './json.ts', 'node:crypto']) t.equal(await isRefused('lib', specifier), false, specifier)
  t.equal(await isRefused('plugins', 'fastify'), false)
})
