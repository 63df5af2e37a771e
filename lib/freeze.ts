/** Freezes a value that nobody else holds, all the way down, and returns it. */
export function deepFreeze<Value> (value: Value): Value {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze)
  return value
}
