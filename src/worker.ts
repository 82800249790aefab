/** wakeone/worker: what handler modules use. */
import { checkTimeout } from './options.ts';
import { type Registration, registrationById, type RegistrationId } from './sources/registration.ts';
import { currentWorker } from './sources/runtime.ts';

export type { SocketAddress } from './native/index.ts';
export type { Connection } from './sources/connection.ts';
export type { FdEvent } from './sources/fd-event.ts';
export {
  type ConnectionHandlers,
  defineHandlers,
  type FdHandler,
  type Handler,
  type HandlerModule,
  type HandlerOptions,
} from './sources/handlers.ts';
export type { CloseReason } from './sources/reason.ts';
export type { EventName, Registration, RegistrationId } from './sources/registration.ts';

/**
 * Any registration of the pool by its id, with the operations that the main thread has. Workers.
 * @throws ERR_WAKEONE_NO_WORKER, ERR_WAKEONE_INVALID_FD, ERR_WAKEONE_INVALID_ARGUMENT
 */
export function registration(id: RegistrationId): Registration {
  const { context } = currentWorker('registration()');
  return registrationById(context.memory, context.strands, id);
}

/** Number of the worker that this code runs in, from 0. @throws ERR_WAKEONE_NO_WORKER */
export function workerId(): number {
  return currentWorker('workerId()').context.worker;
}

/** Asks the app's thread to `pool.close()`; returns at once and nothing: it could not wait for its own end. @throws ERR_WAKEONE_NO_WORKER, ERR_WAKEONE_INVALID_ARGUMENT */
export function closePool(options: { readonly timeoutMs?: number } = {}): void {
  const { send } = currentWorker('closePool()');
  // Here, where it can be caught: in the app's thread nobody would.
  if (options.timeoutMs !== undefined) checkTimeout(options.timeoutMs, 0);
  send({ type: 'close', timeoutMs: options.timeoutMs });
}
