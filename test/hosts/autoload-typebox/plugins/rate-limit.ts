import rateLimit from '@fastify/rate-limit'
import fp from 'fastify-plugin'

export default fp(async (app) => {
  await app.register(rateLimit, {
    max: 1000,
    timeWindow: '1 minute',
    errorResponseBuilder: (_request, { statusCode }) => Object.assign(new Error('Slow down, please'), { statusCode })
  })
}, { name: 'rate-limit' })
