import { type ExplainProblem, note, refused, warning } from './explain-problem.ts'
import { type JudgeClock, memberOf } from './verdict-jwt.ts'

/** As seconds it is the year 5138, as milliseconds 1973. */
const MILLISECONDS_FROM = 1e11

const IN_SECONDS = 'Write seconds since 1970: Math.floor(Date.now() / 1000), and so many more.'

const SET_CLOCKS = 'Set both clocks by the same time server, or sign with an earlier time.'

/** Says what is odd about the times of a payload, in seconds. */
export function explainTimes (payload: unknown, { now, clockTolerance }: JudgeClock): ExplainProblem[] {
  const seconds = Math.floor(now / 1000)
  const [nbf, exp, iat] = ['nbf', 'exp', 'iat'].map((name) => memberOf(payload, name))
  return [...explainStart(nbf, seconds, clockTolerance), ...explainEnd(exp, seconds, clockTolerance), ...explainSigning(iat, seconds)]
}

function explainStart (nbf: unknown, seconds: number, clockTolerance: number): ExplainProblem[] {
  if (nbf === undefined) return []
  if (typeof nbf !== 'number') return [refused('nbf', 'is not a number', IN_SECONDS)]
  if (nbf > MILLISECONDS_FROM) return [refused('nbf', 'is in milliseconds: as seconds it is thousands of years ahead', IN_SECONDS)]
  const ahead = Math.ceil(nbf - seconds)
  if (nbf > seconds + clockTolerance) return [refused('nbf', `is ${ahead} seconds ahead of the clock here, and ${clockTolerance} are tolerated`, SET_CLOCKS)]
  return nbf > seconds ? [warning('nbf', `is ${ahead} seconds ahead of the clock here, which is just tolerated`, SET_CLOCKS)] : []
}

function explainEnd (exp: unknown, seconds: number, clockTolerance: number): ExplainProblem[] {
  if (exp === undefined) return [note('exp', 'is not there: whoever gets hold of the token may use it for ever', 'Sign for five minutes: after the first connect the document server goes on with a token of its own.')]
  if (typeof exp !== 'number') return [refused('exp', 'is not a number', IN_SECONDS)]
  if (exp > MILLISECONDS_FROM) return [warning('exp', 'is in milliseconds: as seconds it is thousands of years ahead, so the token never expires', IN_SECONDS)]
  const past = Math.floor(seconds - exp)
  const again = 'Sign when the page is made, not before, and compare the clocks of both sides.'
  if (seconds >= exp + clockTolerance) return [refused('exp', `was ${past} seconds ago, and ${clockTolerance} are tolerated: the token has expired`, again)]
  return seconds >= exp ? [warning('exp', `was ${past} seconds ago, which is just tolerated`, again)] : []
}

/** The document server does not look at it. */
function explainSigning (iat: unknown, seconds: number): ExplainProblem[] {
  if (iat === undefined) return []
  if (typeof iat !== 'number') return [warning('iat', 'is not a number', IN_SECONDS)]
  if (iat > MILLISECONDS_FROM) return [warning('iat', 'is in milliseconds: as seconds it is thousands of years ahead', IN_SECONDS)]
  return iat > seconds ? [warning('iat', `is ${Math.ceil(iat - seconds)} seconds ahead of the clock here: the clocks differ`, SET_CLOCKS)] : []
}
