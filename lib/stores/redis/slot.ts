/** CRC-16/XMODEM, which Redis Cluster spreads keys with. */
const TABLE = Uint16Array.from({ length: 256 }, (_, index) => {
  let rest = index << 8
  for (let bit = 0; bit < 8; bit++) rest = (rest << 1) ^ (rest & 0x8000 ? 0x1021 : 0)
  return rest
})

/**
 * The slot of a key. What is between the first `{` and the first `}` behind it, if anything, stands for all.
 *
 * @internal
 * @see [Redis Cluster specification](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags)
 */
export function slotOf (key: Buffer): number {
  const start = key.indexOf('{')
  const end = start === -1 ? -1 : key.indexOf('}', start + 1)
  const part = end > start + 1 ? key.subarray(start + 1, end) : key
  return part.reduce((sum, byte) => ((sum << 8) & 0xffff) ^ Number(TABLE[(sum >> 8) ^ byte]), 0) & 0x3fff
}
