import t from 'tap'
import { isConfidentialUrl, isOrigin, isPlainUrl, isServerUrl } from '../../lib/urls.ts'

const notText = [undefined, null, 1, {}, [], new URL('https://a.example/'), ['https://a.example/']]

t.test('a plain URL is http(s), and written as every reader reads it', (t) => {
  for (const url of ['https://a.example', 'https://a.example/', 'http://a.example/b/c', 'https://a.example:8443', 'http://127.0.0.1:3000', 'http://[::1]:3000/', 'https://xn--bcher-kva.example/', 'https://a.example/%20', 'https://a.example//b', 'https://a.example/b;c=d']) t.equal(isPlainUrl(url), true, url)
  for (const url of [
    '', 'a.example', '/a', '//a.example', 'ftp://a.example/', 'javascript:alert(1)', 'data:,a', 'blob:https://a.example/', 'https:a.example', 'https:/a.example', 'https:///a.example',
    'https://u@a.example/', 'https://u:p@a.example/', 'https://:p@a.example/', 'https://@a.example/', 'https://a.example?', 'https://a.example/?b', 'https://a.example/#', 'https://a.example#b',
    'https://good.example\\@evil.test/', 'https:\\\\a.example', 'https://a\t.example/', 'https://a.example/\n', '\u0000https://a.example/', ' https://a.example', 'https://a.example ', 'https://a.example/b c', 'https://a.example/\u200b',
    'HTTPS://a.example', 'https://A.example', 'https://bücher.example', 'https://ａ.example', 'https://a%2eexample', 'http://0x7f.1/', 'http://127.1/', 'http://017700000001/', 'http://[0:0:0:0:0:0:0:1]/', 'https://a.example:443/', 'http://a.example:80', 'https://a.example:', 'https://a.example/./b', 'https://a.example/b/../c', 'https://a.example:65536/', 'https://a b.example/'
  ]) t.equal(isPlainUrl(url), false, JSON.stringify(url))
  t.end()
})

t.test('a server URL ends with a slash', (t) => {
  const long = `https://a.example/${'x'.repeat(2029)}/`
  for (const url of ['https://a.example/', 'http://a.example/b/', long]) t.equal(isServerUrl(url), true, url.slice(0, 40))
  for (const url of [...notText, '', '/', 'https://a.example', 'https://a.example/b', 'https://a.example/?/', 'https://u@a.example/', `${long}/`]) t.equal(isServerUrl(url), false, String(url).slice(0, 40))
  t.end()
})

t.test('nobody listens in on https, nor within this machine', (t) => {
  for (const url of ['https://a.example', 'https://a.example/b', 'https://10.0.0.1/', 'http://localhost', 'http://localhost:3000/b', 'http://127.0.0.1/', 'http://127.8.9.10:3000/', 'http://[::1]/']) t.equal(isConfidentialUrl(url), true, url)
  for (const url of [
    ...notText, '', 'http://a.example/', 'http://10.0.0.1/', 'http://0.0.0.0/', 'http://[::]/', 'http://[::ffff:127.0.0.1]/', 'http://[::ffff:7f00:1]/', 'http://128.0.0.1/', 'http://127.0.0.1.evil.test/', 'http://127.evil.test/', 'http://localhost.evil.test/', 'http://a.localhost/', 'http://localhost./', 'http://localhost@evil.test/', 'http://evil.test/localhost', 'ws://localhost/'
  ]) t.equal(isConfidentialUrl(url), false, String(url))
  t.end()
})

t.test('an origin is what browsers write in Origin', (t) => {
  for (const origin of ['https://a.example', 'http://a.example', 'https://a.example:8443', 'http://localhost:3000', 'http://127.0.0.1', 'http://[::1]:8080', 'https://xn--bcher-kva.example']) t.equal(isOrigin(origin), true, origin)
  for (const origin of [...notText, '', 'null', '*', 'a.example', '//a.example', 'https://a.example/', 'https://a.example/b', 'https://a.example?b', 'https://a.example#b', 'https://u@a.example', 'https://a.example:443', 'http://a.example:80', 'HTTPS://a.example', 'https://A.example', 'https://bücher.example', ' https://a.example', 'https://a.example\n', 'https://a.example, https://b.example', 'ftp://a.example', 'file://', 'ws://a.example', 'blob:https://a.example', 'chrome-extension://abc', 'https://*.a.example']) t.equal(isOrigin(origin), false, String(origin))
  t.end()
})
