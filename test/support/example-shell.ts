import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Test } from 'tap'
import { hasTool, run } from './example-server.ts'

/** What stands in for curl on a machine without it: as much of it as the commands of the example use. */
const STAND_IN = `#!${process.execPath}
const { parseArgs } = require('node:util')
const { values, positionals: [url] } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: 'string', short: 'd' },
    fail: { type: 'boolean', short: 'f' },
    header: { type: 'string', short: 'H', multiple: true },
    output: { type: 'string', short: 'o' },
    request: { type: 'string', short: 'X' },
    silent: { type: 'boolean', short: 's' },
    'write-out': { type: 'string', short: 'w', default: '' }
  }
})
const headers = (values.header ?? []).map((header) => header.split(/: */))
if (values.data !== undefined && !headers.some(([name]) => name.toLowerCase() === 'content-type')) headers.push(['content-type', 'application/x-www-form-urlencoded'])
const method = values.request ?? (values.data === undefined ? 'GET' : 'POST')
fetch(url, { method, headers, body: values.data, redirect: 'manual' }).then(async (reply) => {
  const body = Buffer.from(await reply.arrayBuffer())
  const failed = values.fail && reply.status >= 400
  if (failed) process.exitCode = 22
  if (failed && !values.silent) process.stderr.write('curl: (22) The requested URL returned error: ' + reply.status + '\\n')
  if (!failed && values.output === undefined) process.stdout.write(body)
  const facts = { '\\\\n': '\\n', '%{http_code}': reply.status, '%{content_type}': reply.headers.get('content-type'), '%{size_download}': body.length }
  process.stdout.write(values['write-out'].replace(/\\\\n|%\\{\\w+\\}/g, (fact) => facts[fact]))
})
`

/** Runs what a user would paste into a terminal. */
export async function paste (t: Test, commands: string): Promise<{ code: number | null, stdout: string, stderr: string }> {
  const { PATH = '' } = process.env
  if (hasTool('curl')) return await run(t, 'bash', [], { stdin: commands })

  const folder = mkdtempSync(join(tmpdir(), 'example-bin-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'curl'), STAND_IN)
  chmodSync(join(folder, 'curl'), 0o755)
  return await run(t, 'bash', [], { stdin: commands, env: { PATH: `${folder}:${PATH}` } })
}
