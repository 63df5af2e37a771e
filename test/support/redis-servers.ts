/** Real Redis servers for tests, one or many, on the loopback, and what goes wrong between them and a client. */
export { quietPort } from './redis-ports.ts'
export { type RedisOptions, type RedisServer, skipWithoutRedis, startRedis } from './redis-server.ts'
export { type SentinelSetup, startSentinel } from './redis-sentinel.ts'
export { type RedisCluster, startCluster } from './redis-cluster.ts'
export { type Cutter, startCutter } from './redis-cutter.ts'
