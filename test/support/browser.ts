/** A real browser: Chromium without a window, which reaches this machine and nothing else. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Readable, type Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Test } from 'tap'
import { hasTool } from './example-server.ts'

const BROWSER = 'chromium'

/** `false`, or what a machine without Chromium has to install. */
export const skipWithoutChromium = hasTool(BROWSER) ? false : 'there is no chromium in the path: apt-get install chromium'

export interface Tab {
  /** What an expression comes to in the page, once it is settled. */
  evaluate (expression: string): Promise<unknown>
  /** What the browser has to complain about: errors of scripts, what a policy forbids, what cannot be loaded. */
  complaints: string[]
}

export interface Browser {
  open (url: string): Promise<Tab>
}

const FLAGS = [
  '--headless=new', '--remote-debugging-pipe', '--no-first-run', '--disable-gpu', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-default-apps', '--disable-dev-shm-usage', '--no-proxy-server', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'
]

/** Milliseconds that it gets to end by itself. */
const PATIENCE = 5_000

/** A message of the Chrome DevTools Protocol, either way. */
interface Message {
  id?: number
  method?: string
  params?: object
  result?: object
  error?: { message: string }
  sessionId?: string
}

/**
 * Starts Chromium with a profile of its own. It is gone, with its profile, when the test is over; it ends by itself when
 * this process does, which holds the other ends of its pipes.
 */
export async function startBrowser (t: Test): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'chromium-'))
  // Its sandbox does not work for root.
  const args = [...FLAGS, ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), `--user-data-dir=${profile}`, 'about:blank']
  // A process group of its own, so that the helpers can be ended with it.
  const child = spawn(BROWSER, args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'], env: { PATH: process.env['PATH'], HOME: profile }, detached: true })
  const closed = once(child, 'close')
  const { send, onMessage } = talkTo(child)
  t.teardown(async () => {
    // Asked to, it waits for its helpers, which write to the profile until they end.
    send('Browser.close', {}).catch(() => {})
    await Promise.race([closed, sleep(PATIENCE, undefined, { ref: false })])
    endGroup(child)
    await closed
    await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  })

  return {
    open: async (url) => {
      const { targetId } = await send('Target.createTarget', { url: 'about:blank' }) as { targetId: string }
      const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true }) as { sessionId: string }
      const complaints: string[] = []
      onMessage((message) => {
        if (message.sessionId === sessionId && (message.method === 'Log.entryAdded' || message.method === 'Runtime.exceptionThrown')) complaints.push(JSON.stringify(message.params))
      })
      for (const domain of ['Log', 'Runtime', 'Page']) await send(`${domain}.enable`, {}, sessionId)
      const loaded = new Promise<void>((resolve) => onMessage((message) => {
        if (message.sessionId === sessionId && message.method === 'Page.loadEventFired') resolve()
      }))
      await send('Page.navigate', { url }, sessionId)
      await loaded
      return {
        complaints,
        evaluate: async (expression) => {
          const { result } = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }, sessionId) as { result: { value?: unknown } }
          return result.value
        }
      }
    }
  }
}

/** Whoever is left of it. */
function endGroup ({ pid }: ChildProcess): void {
  try {
    process.kill(-Number(pid), 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // what `process.kill` throws
  }
}

interface Conversation {
  send (method: string, params: object, sessionId?: string): Promise<object>
  onMessage (listener: (message: Message) => void): void
}

/** Messages are JSON with a zero behind each, on the two pipes that Chromium knows as 3 and 4. */
function talkTo ({ stdio }: ChildProcess): Conversation {
  // As it was spawned.
  const [input, output] = [stdio[3] as Writable, stdio[4] as Readable]
  const listeners: Array<(message: Message) => void> = []
  let buffered = ''
  output.setEncoding('utf8').on('data', (text: string) => {
    const messages = (buffered + text).split('\0')
    buffered = messages.pop() ?? ''
    for (const message of messages) for (const listener of [...listeners]) listener(JSON.parse(message))
  })
  // It may be gone already.
  input.on('error', () => {})

  let sent = 0
  return {
    onMessage: (listener) => { listeners.push(listener) },
    send: async (method, params, sessionId) => {
      const id = ++sent
      const answered = new Promise<Message>((resolve) => listeners.push((message) => { if (message.id === id) resolve(message) }))
      input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
      const { result, error } = await answered
      if (result === undefined) throw new Error(`${method}: ${error?.message}`)
      return result
    }
  }
}
