#!/usr/bin/env node
import { run } from './run.ts'

// A secret that did not arrive must not look like success.
process.stdout.on('error', (error: Error) => {
  process.stderr.write(`fastify-doc-tokens: the output was lost: ${error.message}\n`)
  process.exitCode = 1
})

// Set, not exit(): what is still on its way to a pipe arrives.
run(process.argv.slice(2), process).then((code) => { process.exitCode ||= code })
