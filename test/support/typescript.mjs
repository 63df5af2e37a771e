/**
 * What tests are started with: lets Node.js run TypeScript as newer lines of it do by themselves. Types become white space, and
 * every line stays where it is, so coverage needs no maps.
 */
import { register } from 'node:module'

register('./typescript-hooks.mjs', import.meta.url)
// Programs that a test starts run what was built. It counts for nothing: see the hooks.
process.env['_TAPJS_PROCESSINFO_COVERAGE_'] = '0'
