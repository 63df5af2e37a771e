/** What a problem does: `refused` keeps the token from being accepted, `warning` is unwise, `note` is good to know. */
export type ProblemLevel = 'refused' | 'warning' | 'note'

/**
 * One thing about a token. Its words are fixed, but for names of members, lengths and seconds: never a secret, never a
 * value of the token or the config.
 */
export interface ExplainProblem {
  /** A member of the payload, such as `document.permissions.edit`; `config` and a member, `token`, `header` and a member, or `secret`. */
  readonly path: string
  /** What is said of the path: the rest of a sentence. */
  readonly problem: string
  /** What to do about it. */
  readonly fix: string
  readonly level: ProblemLevel
}

/** A name that says no more than a name of the vendor's could. */
const PLAIN_NAME = /^(?:[A-Za-z][A-Za-z0-9_]{0,31}|\d{1,4})$/

export function refused (path: string, problem: string, fix: string): ExplainProblem {
  return { path, problem, fix, level: 'refused' }
}

export function warning (path: string, problem: string, fix: string): ExplainProblem {
  return { path, problem, fix, level: 'warning' }
}

export function note (path: string, problem: string, fix: string): ExplainProblem {
  return { path, problem, fix, level: 'note' }
}

/** Names from outside, dotted. One that is not plain could hold anything, and is `?`. */
export function pathOf (names: readonly string[]): string {
  return names.map((name) => PLAIN_NAME.test(name) ? name : '?').join('.')
}

export function isRefused ({ level }: ExplainProblem): boolean {
  return level === 'refused'
}
