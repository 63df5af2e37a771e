/** Requests to the own routes of the hosts, with the status that each of them is answered with. */
import { options as magazine } from './jwt-login/suite.ts'
import { type Exchange } from './transcript.ts'

const form = { 'content-type': 'application/x-www-form-urlencoded' }
const json = { 'content-type': 'application/json' }
const xml = { 'content-type': 'application/xml' }

const ada = { cookie: 'sessionId={session}' }

export const notebook: readonly Exchange[] = [
  { send: 'GET /', status: 200 },
  { send: 'HEAD /', status: 200 },
  { send: 'GET /login', status: 200 },
  { send: 'GET /notes', status: 302 },
  { send: 'HEAD /notes', status: 302 },
  { send: 'OPTIONS /notes', status: 401 },
  { send: 'GET /nowhere', status: 302 },
  { send: 'POST /notes', headers: form, body: 'title=x', status: 401 },
  { send: 'POST /login', headers: form, body: 'name=ada&password=wrong', status: 401 },
  { send: 'POST /login', headers: form, body: 'name=ada', status: 400 },
  { send: 'POST /login', headers: json, body: '{"name":', status: 400 },
  { send: 'POST /login', headers: xml, body: '<name>ada</name>', status: 415 },
  { send: 'POST /login', headers: form, body: 'name=ada&password=analytical+engine', status: 302, keep: { session: /sessionId=([^;]+)/ } },
  { send: 'GET /notes', headers: ada, status: 200 },
  { send: 'GET /notes', headers: ada, status: 200 },
  { send: 'GET /notes/note-1', headers: ada, status: 200 },
  { send: 'HEAD /notes/note-1', headers: ada, status: 200 },
  { send: 'GET /notes/note-2', headers: ada, status: 403 },
  { send: 'GET /notes/none', headers: ada, status: 404 },
  { send: 'GET /nowhere', headers: ada, status: 404 },
  { send: 'OPTIONS /notes', headers: ada, status: 404 },
  { send: 'PUT /notes', headers: ada, status: 404 },
  { send: 'GET /notes/%', headers: ada, status: 400 },
  { send: 'POST /notes', headers: { ...form, ...ada }, body: 'title=', status: 400 },
  { send: 'POST /notes', headers: { ...form, ...ada }, body: 'title=Cards&text=%3Cb%3Epunched', status: 302 },
  { send: 'GET /notes/note-3', headers: ada, status: 200 },
  { send: 'POST /notes', headers: { ...form, ...ada, 'content-length': '1048577' }, status: 413 },
  { send: 'POST /logout', headers: ada, status: 302 },
  { send: 'GET /notes', headers: ada, status: 302 }
]

const ursula = { authorization: 'Bearer {author}' }
const virginia = { authorization: 'Bearer {editor}' }

export const articles: readonly Exchange[] = [
  { send: 'GET /articles', status: 200 },
  { send: 'HEAD /articles', status: 200 },
  { send: 'OPTIONS /articles', status: 404 },
  { send: 'GET /articles?limit=1&tag=weather', status: 200 },
  { send: 'GET /articles?limit=none', status: 400 },
  { send: 'GET /articles/2', status: 200 },
  { send: 'GET /articles/3', status: 404 },
  { send: 'GET /articles/x', status: 400 },
  { send: 'GET /nowhere', status: 404 },
  { send: 'GET /me', status: 401 },
  { send: 'GET /me', headers: { authorization: 'Bearer a.b.c' }, status: 401 },
  { send: 'GET /me', headers: { authorization: 'Bearer a b' }, status: 401 },
  { send: 'POST /login', headers: json, body: '{"name":"ursula","password":"wrong"}', status: 401 },
  { send: 'POST /login', headers: json, body: '{"name":"ursula"}', status: 400 },
  { send: 'POST /login', headers: json, body: '{"name":', status: 400 },
  { send: 'POST /login', headers: form, body: 'name=ursula', status: 415 },
  { send: 'POST /login', headers: json, body: '{"name":"ursula","password":"the left hand"}', status: 200, keep: { author: /"token":"([^"]+)"/ } },
  { send: 'POST /login', headers: json, body: '{"name":"virginia","password":"a room"}', status: 200, keep: { editor: /"token":"([^"]+)"/ } },
  { send: 'GET /me', headers: ursula, status: 200 },
  { send: 'HEAD /me', headers: ursula, status: 200 },
  { send: 'GET /drafts/3', headers: ursula, status: 403 },
  { send: 'GET /drafts/3', headers: virginia, status: 200 },
  { send: 'GET /drafts/9', headers: virginia, status: 404 },
  { send: 'POST /articles', headers: { ...json, ...ursula }, body: '{"title":"Dragons","tags":"old","views":7}', status: 201 },
  { send: 'POST /articles', headers: { ...json, ...ursula }, body: '{"title":""}', status: 400 },
  { send: 'DELETE /articles/4', headers: ursula, status: 403 },
  { send: 'DELETE /articles/4', headers: virginia, status: 204 },
  { send: 'DELETE /articles/4', headers: virginia, status: 404 },
  { send: 'GET /statistics', status: 401 },
  { send: 'GET /statistics', headers: ursula, status: 200 },
  { send: 'GET /statistics', headers: { 'x-service-key': magazine.serviceKey }, status: 200 }
]

const mary = { authorization: 'Bearer {token}' }

export const manuals: readonly Exchange[] = [
  { send: 'GET /', status: 200 },
  { send: 'HEAD /', status: 200 },
  { send: 'OPTIONS /manuals', status: 404 },
  { send: 'GET /nowhere', status: 404 },
  { send: 'GET /manuals', status: 401 },
  { send: 'HEAD /manuals/pump', status: 401 },
  { send: 'GET /manuals/pump', headers: { authorization: 'Bearer of-bad-news' }, status: 401 },
  { send: 'POST /login', headers: json, body: '{"name":"mary","pin":"0000"}', status: 401 },
  { send: 'POST /login', headers: json, body: '{"name":"mary"}', status: 400 },
  { send: 'POST /login', headers: json, body: '{"name":"mary","pin":"4711-0815","team":"cranes"}', status: 400 },
  { send: 'POST /login', headers: json, body: '{"name":', status: 400 },
  { send: 'POST /login', headers: form, body: 'name=mary', status: 415 },
  { send: 'POST /login', headers: json, body: '{"name":"mary","pin":"4711-0815"}', status: 200, keep: { token: /"token":"([^"]+)"/ } },
  { send: 'GET /manuals', headers: mary, status: 200 },
  { send: 'GET /manuals?minPages=10', headers: mary, status: 200 },
  { send: 'GET /manuals?minPages=ten', headers: mary, status: 400 },
  { send: 'HEAD /manuals/pump', headers: mary, status: 200 },
  { send: 'GET /manuals/pump', headers: mary, status: 200 },
  { send: 'GET /manuals/crane', headers: mary, status: 403 },
  { send: 'GET /manuals/none', headers: mary, status: 404 },
  { send: 'GET /manuals/NONE', headers: mary, status: 400 },
  { send: 'PUT /manuals/hose', headers: { ...json, ...mary }, body: '{"title":"The hose","pages":2}', status: 200 },
  { send: 'PUT /manuals/hose', headers: { ...json, ...mary }, body: '{"title":"The hose","pages":"2"}', status: 400 },
  { send: 'PUT /manuals/crane', headers: { ...json, ...mary }, body: '{"title":"Mine","pages":1}', status: 403 },
  ...Array<Exchange>(14).fill({ send: 'POST /login', headers: json, body: '{"name":"mary","pin":"0000"}', status: 401 }),
  { send: 'POST /login', headers: json, body: '{"name":"mary","pin":"4711-0815"}', status: 429 },
  { send: 'GET /manuals', headers: mary, status: 200 }
]
