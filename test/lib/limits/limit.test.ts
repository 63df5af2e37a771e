import t from 'tap'
import { checkLimits, isLimit, type Limit, resolveLimit } from '../../../lib/limits/limit.ts'

const FALLBACK: Limit = { max: 7, timeWindow: 70 }
const TEN_YEARS = 315_360_000_000

const NO_COUNTS = [0, -1, 1.5, NaN, Infinity, 1e12 + 1, Number.MAX_SAFE_INTEGER, '5', null, true, [5], 5n, {}]
const NO_WINDOWS = [0, -1, 1.5, NaN, Infinity, TEN_YEARS + 1, '60000', '1 minute', null, true, [5], 5n, {}]
const NO_OBJECTS = [null, true, 0, 5, '', '5', [], [5, 1000], Symbol('5'), () => ({})]

t.test('what a host leaves out is the default, and false is no limit', async (t) => {
  t.strictSame(resolveLimit('x', undefined, FALLBACK), FALLBACK)
  t.strictSame(resolveLimit('x', {}, FALLBACK), FALLBACK)
  t.strictSame(resolveLimit('x', { max: 1 }, FALLBACK), { max: 1, timeWindow: 70 })
  t.strictSame(resolveLimit('x', { timeWindow: 1 }, FALLBACK), { max: 7, timeWindow: 1 })
  t.strictSame(resolveLimit('x', { max: 1e12, timeWindow: TEN_YEARS }, FALLBACK), { max: 1e12, timeWindow: TEN_YEARS })
  t.strictSame(resolveLimit('x', Object.freeze({ max: 1, timeWindow: 1 }), FALLBACK), { max: 1, timeWindow: 1 })
  t.equal(resolveLimit('x', false, FALLBACK), undefined)
  t.strictSame(FALLBACK, { max: 7, timeWindow: 70 })
})

t.test('a limit that is unusable is none, and says where', async (t) => {
  const cases = [
    ...NO_COUNTS.map((max) => ({ limit: { max }, option: 'limits.x.max' })),
    ...NO_WINDOWS.map((timeWindow) => ({ limit: { timeWindow }, option: 'limits.x.timeWindow' })),
    ...NO_OBJECTS.map((limit) => ({ limit, option: 'limits.x' })),
    { limit: { max: 1, timeWindows: 1 }, option: 'limits.x.timeWindows' },
    { limit: { Max: 1 }, option: 'limits.x.Max' }
  ]
  for (const { limit, option } of cases) {
    // Hosts in JavaScript can pass anything.
    t.throws(() => resolveLimit('limits.x', limit as Limit, FALLBACK), { code: 'FDT_INVALID_OPTION', message: new RegExp(`"${option}":`) }, option)
  }
})

t.test('limits have no other names than those that there are', async (t) => {
  t.doesNotThrow(() => checkLimits(undefined, ['one']))
  t.doesNotThrow(() => checkLimits({}, ['one']))
  t.doesNotThrow(() => checkLimits({ one: 1, other: undefined }, ['one', 'other']))
  t.throws(() => checkLimits({ one: 1, ones: 1 }, ['one', 'other']), { code: 'FDT_INVALID_OPTION', message: /"limits\.ones":/ })
  for (const limits of NO_OBJECTS) t.throws(() => checkLimits(limits as object, ['one', 'other']), { code: 'FDT_INVALID_OPTION', message: /"limits": must be \{ one\?, other\? \}/ })
})

t.test('a limit of a record has both members', async (t) => {
  class Row {
    get max () { return 1 }
    get timeWindow () { return 1 }
  }
  for (const limit of [{ max: 1, timeWindow: 1 }, { max: 1e12, timeWindow: TEN_YEARS }, { max: 1, timeWindow: 1, burst: 2 }, new Row()]) t.equal(isLimit(limit), true)
  const unusable = [
    ...NO_COUNTS.map((max) => ({ max, timeWindow: 1 })), ...NO_WINDOWS.map((timeWindow) => ({ max: 1, timeWindow })), ...NO_OBJECTS, undefined, {}, { max: 1 }, { timeWindow: 1 }
  ]
  for (const limit of unusable) t.equal(isLimit(limit), false)
})
