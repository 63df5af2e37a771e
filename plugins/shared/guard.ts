import { type FastifyReply, type FastifyRequest, type HookHandlerDoneFunction } from 'fastify'
import { type TokenHolder } from '../../lib/events.ts'
import { type FlowInstance } from './flow-instance.ts'
import { type CodedError, isRefusal, reportRefusal, sendRefusal } from './refusals.ts'

/**
 * A hook that lets a request pass, or answers it.
 *
 * It takes a callback, which it never calls for a refusal that was answered. After an async hook Fastify goes on to
 * the handler when the client hangs up while an `onSend` hook of the host's still holds the answer back.
 */
export type GuardHook<Request> = (request: Request, reply: FastifyReply, done: HookHandlerDoneFunction) => void

/** Answers a refusal in place of a guard and returns `reply`, or throws. When it does neither, the guard answers. */
export type OnRefused<Request> = (error: CodedError, request: Request, reply: FastifyReply) => unknown

interface GuardPlan<Request> {
  instance: FlowInstance
  /** Resolves when the request may pass. What it throws that is no error of this package is the host's. */
  admit (request: Request): Promise<void>
  /** The refusal where a function of the host's throws what is no error. */
  refusalOf (cause: unknown): CodedError
  /** Whose token it was, as far as that is certain. */
  holderOf (error: CodedError, request: Request): TokenHolder
  /** What the host needs to find its own mistake. Safe to log. */
  detailsOf?: (error: CodedError) => object | undefined
  /** The body of a refusal, where a contract wants another one than Fastify's. */
  bodyOf?: (error: CodedError) => object
  onRefused: OnRefused<Request> | undefined
}

/** The one way in which guards answer, whatever they look at. */
export function createGuardHook<Request extends FastifyRequest> ({ instance, admit, refusalOf, holderOf, detailsOf, bodyOf, onRefused }: GuardPlan<Request>): GuardHook<Request> {
  async function answer (error: CodedError, request: Request, reply: FastifyReply): Promise<void> {
    reportRefusal(request, error, instance, holderOf(error, request), detailsOf?.(error))
    const answered = onRefused?.(error, request, reply)
    // Not to be awaited: it is a promise of the whole answer, and says nothing of whether there is one.
    if (answered === reply) return
    await answered
    if (!reply.sent && !reply.raw.destroyed) sendRefusal(error, reply, bodyOf)
  }

  return (request, reply, done) => {
    // A hook of the host's may have refused: behind an async one Fastify goes on when the client hangs up.
    if (reply.raw.destroyed) return
    // What the host's own functions throw is the host's. Without an error `done` would let the request pass.
    const refuse = async (thrown: unknown): Promise<void> => {
      try {
        if (thrown instanceof Error && !isRefusal(thrown)) throw thrown
        await answer(isRefusal(thrown) ? thrown : refusalOf(thrown), request, reply)
      } catch (error) {
        done(error instanceof Error ? error : refusalOf(error))
      }
    }
    // A hook of the host's may have refused: behind an async one Fastify goes on when the client hangs up.
    admit(request).then(() => { if (!reply.raw.destroyed) done() }, refuse)
  }
}
