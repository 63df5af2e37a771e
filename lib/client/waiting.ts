/** @internal What `promise` comes to, unless `signal` is aborted before: then its reason. What is behind the promise goes on. */
export async function unlessAborted<Value> (promise: Promise<Value>, signal: AbortSignal | null | undefined): Promise<Value> {
  if (signal === undefined || signal === null) return await promise
  return await new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** @internal Somebody waits for the end of this, so it keeps the process alive. */
export async function sleep (milliseconds: number): Promise<void> {
  await new Promise<void>((resolve) => { setTimeout(resolve, milliseconds) })
}
