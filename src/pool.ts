/** The pool: what the app's thread holds. */
import { lookup } from 'node:dns/promises';
import { EventEmitter } from 'node:events';
import { isMainThread, MessageChannel, type Worker } from 'node:worker_threads';
import { untilAborted } from './abort.ts';
import { makeError, makeErrorFrom, SystemError } from './errors.ts';
import { type Native, openNative } from './native/index.ts';
import { type PoolStats, snapshot } from './observe/snapshot.ts';
import {
  checkNames,
  checkTimeout,
  integer,
  invalid,
  type PoolOptions,
  resolveOptions,
  type ResolvedOptions,
} from './options.ts';
import { PoolEnd } from './pool-end.ts';
import { Dispatcher, type PoolDispatcher } from './reactor/dispatcher.ts';
import { News, type Ticket } from './reactor/place.ts';
import type { FromWorker, HandlerEntry } from './reactor/protocol.ts';
import { textOf, unpackThrown } from './reactor/thrown.ts';
import { packPolicy } from './reactor/wake-policy.ts';
import { Config, countersOf, Owner, Word } from './slots/layout.ts';
import { createMemory, type PoolMemory, PoolPhase } from './slots/memory.ts';
import { Kind } from './slots/record.ts';
import { makeAccess, type PoolAccess } from './sources/access.ts';
import { addDescriptor, type AddOptions, findHandler } from './sources/add.ts';
import { addressOf, beginConnect, type ConnectOptions, resolveConnect } from './sources/connect.ts';
import { Connecting } from './sources/connecting.ts';
import { type Group, type GroupOptions, groupRef, openGroup } from './sources/group.ts';
import { addressesOf, type ListenOptions, openListener, resolveListenOptions } from './sources/listen.ts';
import { type Registration, registrationById, type RegistrationId } from './sources/registration.ts';
import {
  findFunction,
  openUserEvent,
  postItem,
  type UserEvent,
  type UserEventOptions,
} from './sources/user-event.ts';
import { openServer, type Server } from './sources/server.ts';
import { sharedBytes } from './sources/shared.ts';
import { openTimer, type Timer, type TimerOptions } from './sources/timer.ts';
import { Attachments } from './supervision/attachments.ts';
import { Descriptors, reservedDescriptors } from './supervision/descriptors.ts';
import { forgetAtExit, stopAtExit } from './supervision/exit-hook.ts';
import { Renewal } from './supervision/renewal.ts';
import { Supervisor } from './supervision/supervisor.ts';

export type CloseOptions = {
  /** After this time what is left is destroyed. Default 30,000. */
  readonly timeoutMs?: number;
  /** Its abort destroys what is left, as the end of the time does. */
  readonly signal?: AbortSignal;
};

/** Events that a pool emits. */
export type PoolEvents = {
  /** A handler threw, or its promise was rejected, and no `error` handler took it. Without a listener it becomes a process warning. */
  handlerError: [error: unknown, context: { readonly handler: string; readonly fd: number }];
  /** Accepting paused: no descriptors or no memory. It resumes by itself. */
  acceptPaused: [error: SystemError];
  /** A worker died; it is being replaced, and the registrations whose handlers it ran are being closed. Without a listener it becomes a process warning. */
  workerExit: [error: Error];
  /** A worker died while it handled a post of a user event that counts or merges, or an item: that is not repeated. Without a listener it becomes a process warning. */
  claimLost: [context: { readonly handler: string }];
  /** The pool has ended. */
  close: [];
};

const DEFAULT_CLOSE_MS = 30_000;

export class Pool extends EventEmitter<PoolEvents> implements AsyncDisposable {
  readonly #memory: PoolMemory;
  readonly #dispatcher: PoolDispatcher;
  readonly #access: PoolAccess;
  readonly #connecting: Connecting;
  readonly #descriptors: Descriptors;
  readonly #supervisor: Supervisor;
  readonly #attachments: Attachments;
  readonly #ending: PoolEnd;
  readonly #renewal: Renewal;
  readonly #servers = new Set<Server>();
  readonly #keepAlive = new MessageChannel();
  #entries: HandlerEntry[] = [];
  #closing: Promise<void> | undefined;

  /** Use {@link createPool}. */
  constructor(options: ResolvedOptions, native: Native) {
    super();
    this.#descriptors = new Descriptors(native, options.maxThreads);
    const monitored = options.maxThreads > 1;
    const config = new Map<number, number>([
      [Config.MAX_THREADS, options.maxThreads],
      [Config.CONCURRENCY, options.concurrency],
      [Config.EPOLL_FD, this.#descriptors.epoll],
      [Config.WAKE_FD, this.#descriptors.wake],
      [Config.STOP_FD, this.#descriptors.stop],
      [Word.MONITOR_TIMER, this.#descriptors.timer],
      [Word.MONITOR_SET, this.#descriptors.monitorSet],
      [Word.NESTED, Number(!isMainThread)],
      [Config.SAFETY_TIMEOUT_MS, options.safetyTimeoutMs],
      [Config.WAKE_POLICY, packPolicy(options.wakeAtHints, options.wakeRulesOff)],
      [Config.GRACE_MS, options.graceMs],
      [Config.MONITORED, Number(monitored)],
      [Config.HIGH_WATER_MARK, options.highWaterMark],
      [Config.MAX_INPUT, options.maxInput],
      [Config.MAX_OUTPUT, options.maxOutput],
      [Config.MAX_SOURCES, options.maxSources],
    ]);
    const { maxFds, ringSize, bufferMemory, sharedMemory } = options;
    const me = Owner.MAIN;
    try {
      this.#memory = createMemory(maxFds, ringSize, bufferMemory, config, me, countersOf(me), sharedMemory);
    } catch (error) {
      this.#descriptors.close();
      throw error;
    }
    const dispatcher: PoolDispatcher = new Dispatcher(this.#memory, native);
    this.#dispatcher = dispatcher;
    this.#access = makeAccess(dispatcher, native);
    const { strands, registrar } = this.#access;
    this.#connecting = new Connecting(this.#memory, strands);
    const changed = (): void => this.#registrationsChanged();
    strands.onLast = changed;
    strands.onTimed = () => this.#supervisor.monitor();
    registrar.onFirst = changed;
    dispatcher.begin();
    this.#supervisor = new Supervisor(
      dispatcher,
      this.#descriptors,
      { ...options, monitored },
      {
        onMessage: (message) => this.#hear(message),
        onWorkerExit: (_, error) => this.#workerExit(error as Error),
        onClaimLost: (handler) => this.#claimLost(this.#entries[handler]?.name ?? ''),
      },
    );
    this.#attachments = new Attachments(this.#memory.buffers, {
      onExit: (owner) => this.#attachedExit(owner),
      onNews: (news) => this.#hearAttached(news),
    });
    this.#renewal = new Renewal(dispatcher, strands, this.#descriptors);
    this.#ending = new PoolEnd(this.#memory, strands, this.#supervisor, this.#attachments, options.graceMs);
    this.#keepAlive.port1.on('message', () => {});
    this.#keepAlive.port1.unref();
    stopAtExit(this.#supervisor);
  }

  /** The pool's and {@link createPool}'s: starts the threads. */
  async start(): Promise<void> {
    this.#entries = await this.#supervisor.start();
  }

  /**
   * Registers a descriptor; its events are delivered to `handler` in the workers, one at a time. Main thread. An fd that
   * is ready already, or hung up, is delivered at once.
   * @throws ERR_WAKEONE_INVALID_FD, ERR_WAKEONE_BAD_FD, ERR_WAKEONE_FD_UNSUPPORTED, ERR_WAKEONE_FD_IN_USE,
   *   ERR_WAKEONE_FD_RESERVED, ERR_WAKEONE_FD_LOOP, ERR_WAKEONE_WATCH_LIMIT, ERR_WAKEONE_UNKNOWN_HANDLER,
   *   ERR_WAKEONE_INVALID_EVENTS, ERR_WAKEONE_INVALID_OPTION, ERR_WAKEONE_POOL_CLOSED; then nothing has changed
   */
  add(fd: number, options: AddOptions): Registration {
    this.#checkOpen('add()');
    const adder = { ...this.#access, entries: this.#entries, reserved: reservedDescriptors() };
    return addDescriptor(adder, fd, options);
  }

  /**
   * Listens on a TCP port or an AF_UNIX path; connections are accepted and served by the workers. Main thread.
   * @throws SystemError (EADDRINUSE, EACCES, …), ERR_WAKEONE_UNKNOWN_HANDLER, ERR_WAKEONE_HANDLER_KIND,
   *   ERR_WAKEONE_INVALID_OPTION, ERR_WAKEONE_POOL_CLOSED; then nothing is left open
   */
  async listen(options: ListenOptions): Promise<Server> {
    this.#checkOpen('listen()');
    const resolved = resolveListenOptions(options);
    const group = groupRef(this.#memory, this.#access.strands, options.group);
    const handler = findHandler(resolved.handler, this.#entries);
    if (this.#entries[handler]?.kind !== Kind.CONNECTION) {
      throw makeError('ERR_WAKEONE_HANDLER_KIND', resolved.handler, 'an object of connection handlers');
    }
    const addresses = await addressesOf(resolved);
    this.#checkOpen('listen()');
    const fd = openListener(this.#access.native, addresses, resolved);
    const server = openServer(this.#access, fd, handler, resolved, group);
    this.#servers.add(server);
    return server;
  }

  /**
   * Connects to a TCP port or an AF_UNIX path; `open` runs when the connection is there, or else `error` and `close`.
   * Main thread; workers have `connect()`. Resolves before that, when the name of the host is resolved.
   * @throws SystemError, ERR_WAKEONE_UNKNOWN_HANDLER, ERR_WAKEONE_HANDLER_KIND, ERR_WAKEONE_INVALID_OPTION,
   *   ERR_WAKEONE_WATCH_LIMIT, ERR_WAKEONE_POOL_CLOSED; then nothing is left open
   */
  async connect(options: ConnectOptions): Promise<Registration> {
    this.#checkOpen('connect()');
    const resolved = resolveConnect(options, this.#entries);
    const address = resolved.path === undefined ? (await lookup(resolved.host)).address : resolved.host;
    this.#checkOpen('connect()');
    const connector = { ...this.#access, connecting: this.#connecting };
    return beginConnect(connector, addressOf({ ...resolved, host: address }), resolved);
  }

  /**
   * Makes a user event: a handler that runs when threads post to it. Main thread; posting is for any thread. An open event
   * keeps the process alive, as a registration does.
   * @throws ERR_WAKEONE_INVALID_OPTION, ERR_WAKEONE_UNKNOWN_HANDLER, ERR_WAKEONE_HANDLER_KIND, ERR_WAKEONE_NAME_IN_USE,
   *   ERR_WAKEONE_SOURCES_EXHAUSTED, ERR_WAKEONE_POOL_CLOSED; then nothing has changed
   */
  userEvent(options: UserEventOptions): UserEvent {
    this.#checkOpen('userEvent()');
    return openUserEvent(this.#access, options, this.#entries);
  }

  /**
   * Makes a group: of its members one handler at a time runs, in the order in which their events came. Main thread. It is
   * open, and keeps the process alive, until `teardown()`; a `transient` one until its last member has left.
   * @throws ERR_WAKEONE_INVALID_OPTION, ERR_WAKEONE_SOURCES_EXHAUSTED, ERR_WAKEONE_POOL_CLOSED
   */
  group(options: GroupOptions = {}): Group {
    this.#checkOpen('group()');
    return openGroup(this.#access, options, false);
  }

  /**
   * Starts a timer: its handler runs when the time has come, once or again and again. Never early. Periods that pass before
   * a delivery, or while the handler runs, are one delivery that counts them. Main thread; resetting and cancelling are for
   * any thread. A timer keeps the process alive, as a registration does.
   * @throws ERR_WAKEONE_INVALID_OPTION, ERR_WAKEONE_UNKNOWN_HANDLER, ERR_WAKEONE_HANDLER_KIND,
   *   ERR_WAKEONE_SOURCES_EXHAUSTED, ERR_WAKEONE_POOL_CLOSED; then nothing has changed
   */
  timer(options: TimerOptions): Timer {
    this.#checkOpen('timer()');
    return openTimer(this.#access, options, this.#entries);
  }

  /**
   * Queues an item for `handler`, which is called once with it as `event.value`; items run in parallel, in any order.
   * Main thread; workers have `post()`. False if `maxSources` items and user events wait already: then nothing is queued.
   * @throws ERR_WAKEONE_UNKNOWN_HANDLER, ERR_WAKEONE_HANDLER_KIND, ERR_WAKEONE_INVALID_ARGUMENT, ERR_WAKEONE_POOL_CLOSED
   */
  post(handler: string, value: number): boolean {
    this.#checkOpen('post()');
    const number = findFunction(handler, this.#entries);
    return postItem(this.#access, number, value);
  }

  /**
   * Lets another Worker of the app join: makes a ticket for it, plain data, which it gives to `attach()`. Main thread. The
   * Worker then posts and registers as this thread does. If it dies in the middle of that, this is put right. At most 29
   * Workers at once. A Worker's last ticket is the one that counts. An attached Worker keeps neither pool nor process alive.
   * @throws ERR_WAKEONE_INVALID_ARGUMENT, ERR_WAKEONE_ATTACH_LIMIT, ERR_WAKEONE_POOL_CLOSED; then nothing has changed
   */
  attach(worker: Worker): Ticket {
    this.#checkOpen('attach()');
    return this.#attachments.issue(worker, this.#entries);
  }

  /** Another thread's registration by its id. Any operation on it throws ERR_WAKEONE_STALE_REGISTRATION if it has ended. */
  registration(id: RegistrationId): Registration {
    return registrationById(this.#memory, this.#access.strands, id);
  }

  /**
   * The bytes that all threads of the pool have under this name (1 to 64 bytes): whoever asks first makes them, all zero, from a
   * multiple of 64 bytes on in a bigger SharedArrayBuffer. Without a length only if they are there. Main thread; workers have
   * `shared()`. They stay as long as anybody has them, also after close, and are never given back to the pool.
   * @throws ERR_WAKEONE_INVALID_ARGUMENT, ERR_WAKEONE_UNKNOWN_SHARED, ERR_WAKEONE_SHARED_LENGTH, ERR_WAKEONE_SHARED_EXHAUSTED
   */
  shared(name: string, byteLength?: number): Uint8Array<SharedArrayBuffer> {
    return sharedBytes(this.#memory, name, byteLength);
  }

  /** Counters and states, read from shared memory: no worker is asked. Main thread; also after close. */
  stats(): PoolStats {
    return snapshot(this.#memory);
  }

  /**
   * Most workers that may run handlers at once, from 1 to `maxThreads`. Main thread. Raised, it lets waiting workers in at
   * once; lowered, each worker that is over it stops before its next event, handlers that run are not interrupted. Workers
   * inside of `blocking()` do not count, and are over the limit for a moment when they come back. No effect once the pool
   * has ended.
   * @throws ERR_WAKEONE_INVALID_OPTION; then nothing has changed
   */
  get concurrency(): number {
    return this.#dispatcher.limit.concurrency;
  }

  set concurrency(most: number) {
    const expected = (): never => {
      throw invalid('concurrency', 'an integer', most);
    };
    this.#dispatcher.setConcurrency(
      integer('concurrency', most, 1, this.#memory.config(Config.MAX_THREADS), expected),
    );
  }

  /** Whether the pool takes registrations. */
  get open(): boolean {
    return this.#closing === undefined && this.#memory.phase === PoolPhase.OPEN;
  }

  /**
   * Drains: nothing new is accepted, handlers that run finish, input that has arrived is delivered, unsent output is
   * sent, every registration gets its last delivery, the workers end. What is left after `timeoutMs` is destroyed.
   * Resolves when all is over, nothing of the pool keeps the process alive then. Idempotent. Main thread.
   * @throws ERR_WAKEONE_INVALID_ARGUMENT
   */
  async close(options: CloseOptions = {}): Promise<void> {
    checkNames(options, { timeoutMs: true, signal: true });
    const timeoutMs = checkTimeout(options.timeoutMs, DEFAULT_CLOSE_MS);
    const { signal } = options;
    if (signal !== undefined && !(signal instanceof AbortSignal))
      throw invalid('signal', 'an AbortSignal', signal);
    this.#closing ??= this.#end(timeoutMs);
    const destroy = (): void => void this.destroy();
    if (signal?.aborted === true) destroy();
    else signal?.addEventListener('abort', destroy, { once: true });
    try {
      await this.#closing;
    } finally {
      signal?.removeEventListener('abort', destroy);
    }
  }

  /**
   * Tears all down: each registration gets its last delivery as soon as its handler has returned (an async one has
   * `graceMs`), unsent output is dropped, the workers end. Idempotent; also ends a `close()` that takes too long.
   */
  destroy(): Promise<void> {
    this.#ending.destroy();
    this.#closing ??= this.#end(0);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #end(timeoutMs: number): Promise<void> {
    this.#keepAlive.port1.ref();
    await this.#ending.run(timeoutMs);
    // The phase keeps attached threads from the descriptors, from now on.
    await this.#attachments.outside();
    this.#attachments.end();
    forgetAtExit(this.#supervisor);
    for (const server of this.#servers) server.removePath();
    this.#descriptors.close();
    this.#keepAlive.port1.close();
    this.emit('close');
  }

  #workerExit(error: Error): void {
    // What it had begun to end was ended for it, or it died before it could tell.
    this.#registrationsChanged();
    if (this.listenerCount('workerExit') > 0) this.emit('workerExit', error);
    else warn(error.cause instanceof Error ? error.cause : error, 'WorkerExit', error.message);
  }

  /** What it had begun to register is ended or abandoned now, and what it had to tell is found out. */
  #attachedExit(owner: number): void {
    this.#supervisor.reapAttached(owner);
    this.#hearAttached(News.REGISTRATIONS | (this.#memory.timeouts.marks.isEmpty ? 0 : News.TIMED));
  }

  #hearAttached(news: number): void {
    if ((news & News.TIMED) !== 0) this.#supervisor.monitor();
    this.#registrationsChanged();
  }

  #claimLost(handler: string): void {
    if (this.listenerCount('claimLost') > 0) this.emit('claimLost', { handler });
    else warn(`a post was lost with the worker that handled it`, 'ClaimLost', `handler '${handler}'`);
  }

  #hear(message: FromWorker): void {
    switch (message.type) {
      case 'registrations':
        this.#registrationsChanged();
        break;
      case 'handlerError': {
        const { handler, fd } = message;
        const error = unpackThrown(message.error);
        if (this.listenerCount('handlerError') > 0) this.emit('handlerError', error, { handler, fd });
        else warn(error, 'HandlerError', `thrown in handler '${handler}' (fd ${fd})`);
        break;
      }
      case 'starved':
        this.emit('acceptPaused', new SystemError('accept4', message.errno, message.fd));
        break;
      case 'short':
        if (this.#supervisor.short) this.#supervisor.grow();
        break;
      case 'leftover':
        this.#renewal.ask();
        break;
      case 'close':
        void this.close(message.timeoutMs === undefined ? {} : { timeoutMs: message.timeoutMs });
        break;
      case 'timed':
        this.#supervisor.monitor();
        break;
      case 'ready':
      case 'failed':
        break;
    }
  }

  /** An open pool keeps the process alive while it has registrations. */
  #registrationsChanged(): void {
    const registered = this.#memory.census.registered;
    if (registered === 0) this.#ending.noteEmpty();
    if (registered > 0 || this.#ending.begun) this.#keepAlive.port1.ref();
    else this.#keepAlive.port1.unref();
  }

  #checkOpen(what: string): void {
    if (!this.open) throw makeError('ERR_WAKEONE_POOL_CLOSED', what);
  }
}

/**
 * Makes a pool and starts its workers; resolves when each has loaded the handler module and run its `init`.
 * @throws ERR_WAKEONE_INVALID_OPTION, ERR_WAKEONE_HANDLER_MODULE, ERR_WAKEONE_ABORTED, ERR_WAKEONE_UNSUPPORTED, SystemError;
 *   then nothing is left running
 */
export async function createPool(options: PoolOptions): Promise<Pool> {
  const native = openNative();
  const resolved = resolveOptions(options, native.openFilesLimit());
  const { signal } = resolved;
  if (signal?.aborted === true) throw makeErrorFrom(signal.reason, 'ERR_WAKEONE_ABORTED', 'createPool()');
  const pool = new Pool(resolved, native);
  try {
    await untilAborted(pool.start(), signal, 'createPool()');
  } catch (error) {
    await pool.destroy();
    throw error;
  }
  return pool;
}

/** What nobody listens to must not go unseen. */
function warn(error: unknown, type: string, detail: string): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : textOf(error);
  process.emitWarning(text, { type, detail });
}
