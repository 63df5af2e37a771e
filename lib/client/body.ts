/** What `fetch` takes as a body. */
type Body = RequestInit['body']

/** @internal A body that its owner may change while a token is waited for, as `fetch` would have read it; and whether it can be sent twice. */
export function copyBody (body: Body): { body: Body, isReplayable: boolean } {
  const copy = copyOf(body)
  return { body: copy ?? body, isReplayable: copy !== undefined }
}

/** `undefined` for streams, and whatever else is read only once. */
function copyOf (body: Body): Body {
  if (body === null || typeof body === 'string' || body instanceof Blob) return body
  if (body instanceof ArrayBuffer) return body.slice(0)
  if (ArrayBuffer.isView(body)) return new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice()
  if (body instanceof URLSearchParams) return new URLSearchParams(body)
  return body instanceof FormData ? copyForm(body) : undefined
}

function copyForm (form: FormData): FormData {
  const copy = new FormData()
  for (const [name, value] of form) copy.append(name, value)
  return copy
}
