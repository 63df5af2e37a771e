/** What a problem does: `refused` keeps the token from being accepted, `warning` is unwise, `note` is good to know. */
export type ProblemLevel = 'refused' | 'warning' | 'note'

/**
 * One thing about a token. Its words are fixed, but for names of members, lengths and seconds: never a secret, never a
 * value of the token or the config.
 */
export interface ExplainProblem {
  /** A member of the payload, such as `document.permissions.edit`; `config` and a member, `token`, `header` and a member, or `secret`. */
  readonly path: string
  /** A sentence, without capital and full stop. */
  readonly problem: string
  /** What to do about it. */
  readonly fix: string
  readonly level: ProblemLevel
}

/** How many members are named for one and the same mistake. Nobody reads more. */
export const MAX_NAMED = 20

/** A name that says no more than a name of the vendor's could. */
const PLAIN_NAME = /^(?:[A-Za-z][A-Za-z0-9_]{0,31}|\d{1,4})$/

/** @param rest What is said of the path. */
export function refused (path: string, rest: string, fix: string): ExplainProblem {
  return { path, problem: `${subjectOf(path)} ${rest}`, fix, level: 'refused' }
}

export function warning (path: string, rest: string, fix: string): ExplainProblem {
  return { ...refused(path, rest, fix), level: 'warning' }
}

export function note (path: string, rest: string, fix: string): ExplainProblem {
  return { ...refused(path, rest, fix), level: 'note' }
}

/** Names from outside, dotted. One that is not plain could hold anything, and is `?`. */
export function pathOf (names: readonly string[]): string {
  return names.map((name) => PLAIN_NAME.test(name) ? name : '?').join('.')
}

function subjectOf (path: string): string {
  if (path === 'token' || path === 'secret' || path === 'config') return `the ${path}`
  const [, holder, member] = /^(config|header)\.(.+)$/.exec(path) ?? []
  return holder === undefined ? path : `${member} of the ${holder}`
}

export function isRefused ({ level }: ExplainProblem): boolean {
  return level === 'refused'
}
