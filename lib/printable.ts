/** A path of members that a stranger may have named: what is not plain, or long enough to be a secret, is shown as `?`. */
export function printable (path: string): string {
  return path.split('/').map((member) => /^[\w.$-]{0,31}$/.test(member) ? member : '?').join('/')
}
