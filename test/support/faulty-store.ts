import { type TokenStore } from '../../lib/stores/token-store.ts'

/** A store that works until `fault.error` is set, and then rejects every call with it. Counts the calls. */
export function faultyStore (store: TokenStore) {
  const fault: { error?: Error | undefined, calls: string[] } = { calls: [] }
  const wrapped = new Proxy(store, {
    get: (target, name) => {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return (...args: unknown[]) => {
        fault.calls.push(String(name))
        return fault.error === undefined ? Reflect.apply(method, target, args) : Promise.reject(fault.error)
      }
    }
  })
  return { store: wrapped, fault }
}
