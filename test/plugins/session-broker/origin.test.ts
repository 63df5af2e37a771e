// T17: whose page asks.
import t from 'tap'
import { askingPages, attemptsOf } from '../../support/asking-pages.ts'
import { brokerHost, refusal, refused } from '../../support/broker-host.ts'
import { inEveryHost } from '../../support/hosts.ts'
import { lastAnswer, sendRaw } from '../../support/raw-connection.ts'
import { ISSUER } from '../../support/session-host.ts'

const FOREIGN = refused(403, 'The request does not come from a trusted origin')

const pages = askingPages([ISSUER, 'https://app.example', 'http://127.0.0.1:8080'], [`${ISSUER}/`])

inEveryHost(t, 'Origin × Sec-Fetch-Site × cookie (T17)', async (t) => {
  const { ask, asked, login } = await brokerHost(t, { flow: { trustedOrigins: ['https://app.example', 'http://127.0.0.1:8080'], limits: { address: false } } })
  for (const page of pages) {
    const { name, origin, site } = page
    for (const [kind, passes, cookie] of attemptsOf(page, login)) {
      asked.length = 0
      const reply = await ask({ documentId: 'a' }, { origin, 'sec-fetch-site': site, cookie })
      if (passes) t.equal(reply.statusCode, 200, `${name}, ${kind}`)
      else t.strictSame(refusal(reply), FOREIGN, `${name}, ${kind}`)
      t.equal(asked.length, Number(passes), `${name}, ${kind}: authorize`)
    }
  }
})

inEveryHost(t, 'two lines of a header are no origin (T17)', async (t) => {
  const { app, login } = await brokerHost(t, { flow: { trustedOrigins: ['https://app.example'] } })
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  const twice: string[][] = [
    ['Origin: https://app.example', 'Origin: https://app.example'],
    ['Origin: https://app.example', 'Origin: https://evil.test'],
    ['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Site: cross-site'],
    ['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Site: same-origin']
  ]
  const cookie = login['cookie'] === undefined ? [] : [`Cookie: ${login['cookie']}`]
  for (const lines of twice) {
    const head = ['POST /api/create-session HTTP/1.1', 'Host: x', 'Connection: close', 'Content-Type: application/json', 'Content-Length: 18', ...cookie, ...lines].join('\r\n')
    const answer = await sendRaw(t, `http://127.0.0.1:${port}`, `${head}\r\n\r\n{"documentId":"a"}`)
    t.match(answer, /^HTTP\/1\.1 403 /, lines.join())
    t.equal(lastAnswer(answer).body, FOREIGN.body)
  }
})

inEveryHost(t, 'neither Host nor X-Forwarded-* makes an origin trusted (T19)', async (t) => {
  const { ask } = await brokerHost(t, { server: { trustProxy: '127.0.0.1' } })
  const reply = await ask({ documentId: 'a' }, { 'sec-fetch-site': undefined, origin: 'https://evil.test', host: 'evil.test', 'x-forwarded-host': 'evil.test', 'x-forwarded-proto': 'https', forwarded: 'host=evil.test;proto=https' })
  t.strictSame(refusal(reply), FOREIGN)
})

inEveryHost(t, 'a remote service has no issuer, so only the host\'s own list is trusted', async (t) => {
  const { ask } = await brokerHost(t, { flow: { remote: { url: 'https://api.example/viewer/sessions', apiKey: 'pdf_live_key' }, trustedOrigins: ['https://app.example'] }, authorize: () => null })
  const from = async (origin: string) => (await ask({ documentId: 'a' }, { 'sec-fetch-site': undefined, origin })).json().error
  t.equal(await from('https://app.example'), 'The document cannot be opened')
  t.equal(await from(ISSUER), 'The request does not come from a trusted origin')
  t.equal(await from('https://api.example'), 'The request does not come from a trusted origin')
})

inEveryHost(t, 'a page of another site costs the user no more than the limit by address', async (t) => {
  const { ask } = await brokerHost(t, { flow: { limitKey: () => 'ada', limits: { user: { max: 1 } } } })
  for (let turn = 0; turn < 3; turn++) t.equal((await ask({ documentId: 'a' }, { 'sec-fetch-site': 'cross-site', origin: 'https://evil.test' })).statusCode, 403)
  t.equal((await ask()).statusCode, 200, 'the user\'s own is left')
})

inEveryHost(t, 'what a form of another site can send is refused for its type and its origin', async (t) => {
  const { ask, asked, login } = await brokerHost(t)
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
    t.equal((await ask('{"documentId":"a"}', { 'content-type': type, 'sec-fetch-site': 'cross-site', origin: 'https://evil.test' })).statusCode, 403, type)
    t.equal((await ask('{"documentId":"a"}', { 'content-type': type, 'sec-fetch-site': 'same-origin' })).statusCode, 415, type)
    if (login['cookie'] === undefined) t.equal((await ask('{"documentId":"a"}', { 'content-type': type, 'sec-fetch-site': undefined, authorization: 'Basic YTpi' })).statusCode, 415, `${type}, with a password that the browser keeps`)
  }
  t.strictSame(asked, [])
})
