import { createSecretKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { explainToken } from '../../../../lib/tokens/editor/explain.ts'
import { NOW, SECONDS, sign } from '../../../support/editor-tokens.ts'
const { cases } = JSON.parse(readFileSync(new URL('../../../vectors/onlyoffice-verdicts.json', import.meta.url), 'utf8'))
function atNow (value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_, member) => {
    if (typeof member?.$now === 'number') return SECONDS + member.$now
    return typeof member?.$nowMs === 'number' ? NOW + member.$nowMs : member
  })
}
let out = ''
for (const { name, token, config, kind } of cases) {
  const text = typeof token === 'object' && token !== null ? sign(atNow(token.claims), token.secret, { alg: token.alg, typ: 'JWT' }) : token
  const e = explainToken({ token: text, config, kind: kind === 'history' ? 'setHistoryData' : 'config' }, { secrets: { inbox: [createSecretKey(Buffer.from('secret'))] }, now: NOW, clockTolerance: 60, headerPrefix: 'Bearer ', namesSecret: true })
  out += `## ${name}\n${e.reason}\n${e.problems.map((p) => `   ${p.level} ${p.path} ${p.problem}. ${p.fix}\n`).join('')}`
}
console.error(out)
t.pass('x')
