/** wakeone/worker: what handler modules use. */
import { type PoolStats, snapshot } from './observe/snapshot.ts';
import { checkTimeout } from './options.ts';
import { runBlocking } from './sources/blocking.ts';
import { addressOf, beginConnect, type ConnectOptions, resolveConnect } from './sources/connect.ts';
import { type Group, groupById, type GroupId, type GroupOptions, openGroup } from './sources/group.ts';
import { type Registration, registrationById, type RegistrationId } from './sources/registration.ts';
import { currentPresence, currentWorker, sendWritten } from './sources/runtime.ts';
import { sharedBytes } from './sources/shared.ts';
import { openTimer, type Timer, timerById, type TimerId, type TimerOptions } from './sources/timer.ts';
import {
  findFunction,
  postItem,
  type UserEvent,
  userEventBy,
  type UserEventId,
} from './sources/user-event.ts';

export type { PoolStats, WorkerStats } from './observe/snapshot.ts';
export type { SocketAddress } from './native/index.ts';
export type { ConnectOptions } from './sources/connect.ts';
export type { TimeoutKind } from './slots/timeouts.ts';
export type { Connection } from './sources/connection.ts';
export type { FrameOptions } from './sources/messages.ts';
export type { FdEvent } from './sources/fd-event.ts';
export {
  type ConnectionHandlers,
  defineHandlers,
  type FdHandler,
  type FdHandlers,
  type Handler,
  type HandlerModule,
  type HandlerOptions,
} from './sources/handlers.ts';
export type { Group, GroupId, GroupOptions } from './sources/group.ts';
export type { CloseReason, Failure } from './sources/reason.ts';
export type { EventName, Registration, RegistrationId } from './sources/registration.ts';
export type { FieldType, FieldValue, StateOf, StateShape } from './sources/state-shape.ts';
export type { Timer, TimerId, TimerOptions } from './sources/timer.ts';
export type { UserEvent, UserEventId } from './sources/user-event.ts';

/**
 * Any registration of the pool by its id, with the operations that the main thread has. Workers.
 * @throws ERR_WAKEONE_NO_WORKER, ERR_WAKEONE_INVALID_FD, ERR_WAKEONE_INVALID_ARGUMENT
 */
export function registration(id: RegistrationId): Registration {
  const { context } = currentWorker('registration()');
  return registrationById(context.memory, context.strands, id);
}

/**
 * A user event of the pool, by the name that it was made with or by its id. Workers.
 * @throws ERR_WAKEONE_NO_WORKER, ERR_WAKEONE_UNKNOWN_EVENT, ERR_WAKEONE_INVALID_ARGUMENT
 */
export function userEvent(key: string | UserEventId): UserEvent {
  const { context } = currentWorker('userEvent()');
  return userEventBy(context.memory, context.strands, key);
}

/**
 * As `pool.post()`: queues an item for `handler`, to be handled by some worker, this one included. Workers. False if the
 * queue is full.
 * @throws ERR_WAKEONE_NO_WORKER, ERR_WAKEONE_UNKNOWN_HANDLER, ERR_WAKEONE_HANDLER_KIND, ERR_WAKEONE_INVALID_ARGUMENT
 */
export function post(handler: string, value: number): boolean {
  const { context } = currentWorker('post()');
  const number = findFunction(handler, context.entries);
  return postItem(context, number, value);
}

/**
 * As `pool.connect()`, at once: connects to a TCP port or an AF_UNIX path; `open` of `handler` runs when the connection is
 * there, in some worker, or else `error` and `close`. Workers. The host must be an address: a name is for
 * `lookup()` of node:dns, in an async handler.
 * @throws ERR_WAKEONE_NO_WORKER, ERR_WAKEONE_INVALID_OPTION, ERR_WAKEONE_UNKNOWN_HANDLER, ERR_WAKEONE_HANDLER_KIND,
 *   ERR_WAKEONE_WATCH_LIMIT, SystemError; then nothing is left open
 */
export function connect(options: ConnectOptions): Registration {
  const { context } = currentWorker('connect()');
  const resolved = resolveConnect(options, context.entries);
  return beginConnect(context, addressOf(resolved), resolved);
}

/**
 * Makes a group, which ends when its last member has left; or gives the one that an `id` names. Workers. A connection that
 * starts one for itself and others joins it first: `connection.joinGroup()`.
 * @throws ERR_WAKEONE_NO_WORKER, ERR_WAKEONE_INVALID_OPTION, ERR_WAKEONE_SOURCES_EXHAUSTED, ERR_WAKEONE_INVALID_ARGUMENT
 */
export function group(options: GroupOptions | GroupId = {}): Group {
  const { context } = currentWorker('group()');
  if (typeof options === 'object' && options !== null && 'source' in options)
    return groupById(context.memory, context.strands, options);
  return openGroup(context, options, true);
}

/**
 * As `pool.timer()`: starts a timer. Workers.
 * @throws ERR_WAKEONE_NO_WORKER, ERR_WAKEONE_INVALID_OPTION, ERR_WAKEONE_UNKNOWN_HANDLER, ERR_WAKEONE_HANDLER_KIND,
 *   ERR_WAKEONE_SOURCES_EXHAUSTED
 */
export function startTimer(options: TimerOptions): Timer {
  const { context } = currentWorker('startTimer()');
  return openTimer(context, options, context.entries);
}

/** A timer of the pool by its id. Workers. @throws ERR_WAKEONE_NO_WORKER, ERR_WAKEONE_INVALID_ARGUMENT */
export function timer(id: TimerId): Timer {
  const { context } = currentWorker('timer()');
  return timerById(context.memory, context.strands, id);
}

/**
 * As `pool.shared()`: the bytes that all threads of the pool have under this name, made, all zero, if nobody has asked for them
 * before; without a length only if they are there. Workers; in `init`, handlers and `dispose`, at once. Asked for again, it is
 * the same object.
 * @throws ERR_WAKEONE_NO_WORKER, ERR_WAKEONE_INVALID_ARGUMENT, ERR_WAKEONE_UNKNOWN_SHARED, ERR_WAKEONE_SHARED_LENGTH,
 *   ERR_WAKEONE_SHARED_EXHAUSTED
 * @example
 * const hits = new Int32Array(shared('hits', 4).buffer, shared('hits').byteOffset, 1);
 */
export function shared(name: string, byteLength?: number): Uint8Array<SharedArrayBuffer> {
  return sharedBytes(currentWorker('shared()').context.memory, name, byteLength);
}

/** As `pool.stats()`. Workers. @throws ERR_WAKEONE_NO_WORKER */
export function stats(): PoolStats {
  return snapshot(currentWorker('stats()').context.memory);
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

/**
 * Calls a function that blocks its thread (a long synchronous read, `Atomics.wait`, a native call) and returns its value; what
 * it throws is passed on. While it runs, the worker does not count against the pool's `concurrency`: if work waits, another
 * worker is let in at once. Afterwards the handler goes on, for a moment perhaps as one too many: the next worker that
 * would take an event makes room.
 *
 * Workers; may be nested. In any other thread, and in `init` and `dispose`, it just calls the function. The handler's
 * registration stays with it: nothing else of that registration runs meanwhile. Blocking that is not declared is found by
 * the pool too, a few milliseconds later. What the handler has written so far is sent first.
 * @throws ERR_WAKEONE_INVALID_ARGUMENT if `task` is not a function, or (after it was called) has returned a promise
 * @example
 * const archive = blocking(() => execFileSync('tar', ['c', folder]));
 */
export function blocking<T>(task: () => T): T {
  sendWritten();
  return runBlocking(currentPresence(), task);
}
