const text = (maxLength: number) => ({ type: 'string', minLength: 1, maxLength })
const tags = { type: 'array', items: text(20), maxItems: 5, default: [] }
const status = { type: 'string', enum: ['draft', 'published'], default: 'draft' }
const byId = { type: 'object', properties: { id: { type: 'integer', minimum: 1 } } }
const article = {
  type: 'object',
  properties: { id: { type: 'integer' }, author: { type: 'string' }, title: { type: 'string' }, text: { type: 'string' }, tags, status }
}
const author = [{ author: [] }]

export const login = {
  summary: 'Sign in',
  body: { type: 'object', required: ['name', 'password'], properties: { name: text(50), password: text(200) } },
  response: { 200: { type: 'object', properties: { token: { type: 'string' } } } }
}

export const me = {
  summary: 'Who I am',
  security: author,
  response: { 200: { type: 'object', properties: { name: { type: 'string' }, role: { type: 'string' } } } }
}

export const list = {
  summary: 'What is published',
  querystring: { type: 'object', properties: { limit: { type: 'integer', minimum: 1, maximum: 100, default: 10 }, tag: tags } },
  response: { 200: { type: 'array', items: article } }
}

export const one = { summary: 'A published article', params: byId, response: { 200: article } }

export const draft = { summary: 'An article of mine', security: author, params: byId, response: { 200: article } }

export const create = {
  summary: 'Write an article',
  security: author,
  body: { type: 'object', required: ['title'], properties: { title: text(80), text: { type: 'string', default: '' }, tags, status } },
  response: { 201: article }
}

export const remove = { summary: 'Delete an article', security: author, params: byId }

export const statistics = {
  summary: 'How many there are',
  security: [{ author: [] }, { service: [] }],
  response: { 200: { type: 'object', properties: { articles: { type: 'integer' }, drafts: { type: 'integer' } } } }
}
