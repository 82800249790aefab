/** Why a registration ended, as its last handler is told. */
import type { TimeoutKind } from '../slots/timeouts.ts';
import { Cause, causeOf, detailOf } from '../slots/record.ts';

/** What went wrong: `code` is that of an error of the library or of a system call, or whatever a handler's own error has. */
export type Failure = Error & { readonly code?: unknown };

export type CloseReason =
  /** Both sides have ended. */
  | { readonly type: 'end' }
  /** `destroy()` was called. */
  | { readonly type: 'destroyed' }
  /** `teardown(detail)` was called, by any thread. */
  | { readonly type: 'teardown'; readonly detail: number }
  /** The connection failed or a handler threw. */
  | { readonly type: 'error'; readonly error: Failure }
  /** A timeout was over, and the connection has no `timeout` handler. */
  | { readonly type: 'timeout'; readonly kind: TimeoutKind }
  /** More input was left unread than `maxInput`, or buffer memory ran out. */
  | { readonly type: 'input-overflow' }
  /** More output was unsent than `maxOutput`, or buffer memory ran out. */
  | { readonly type: 'output-overflow' }
  /** `detach()` took the descriptor. */
  | { readonly type: 'detached' }
  /** `pool.close()`, or the server's `close()` for a listener. */
  | { readonly type: 'pool-closed' }
  /** `pool.destroy()`. */
  | { readonly type: 'pool-destroyed' }
  /** The worker that ran this registration's handler died. */
  | { readonly type: 'worker-died' }
  /** The descriptor was closed behind the pool's back: its number may be another file's. Found out when a 'oneshot' one is re-armed. */
  | { readonly type: 'fd-gone' };

/** Turns a slot's reason word into what the handler is told. */
export function reasonFrom(word: number): CloseReason {
  switch (causeOf(word)) {
    case Cause.POOL_CLOSE:
      return { type: 'pool-closed' };
    case Cause.POOL_DESTROY:
      return { type: 'pool-destroyed' };
    case Cause.WORKER_DIED:
      return { type: 'worker-died' };
    case Cause.FD_GONE:
      return { type: 'fd-gone' };
    case Cause.NONE:
    case Cause.TEARDOWN:
      return { type: 'teardown', detail: detailOf(word) };
  }
}
