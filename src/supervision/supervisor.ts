/**
 * Starts the workers and the monitor, sees to it that dead ones are reaped and replaced, and ends them. One per pool, in
 * the thread that made the pool.
 */
import type { MessagePort, ResourceLimits } from 'node:worker_threads';
import { makeError, makeErrorFrom } from '../errors.ts';
import type { PoolDispatcher } from '../reactor/dispatcher.ts';
import type { FromWorker, HandlerEntry, LoadingTask, MonitorTask, ReactorTask } from '../reactor/protocol.ts';
import { textOf, unpackThrown } from '../reactor/thrown.ts';
import { Config, RetireState, WorkerPhase, WorkerWord, Word } from '../slots/layout.ts';
import { stampAt } from '../slots/clock.ts';
import { type PoolMemory, PoolPhase } from '../slots/memory.ts';
import type { Descriptors } from './descriptors.ts';
import { reap, reapAttached } from './reaper.ts';
import { Retirement } from './retirement.ts';
import { Tasks } from './tasks.ts';
import { Threads } from './threads.ts';

const EXTENSION = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const REACTOR_FILE = new URL(`../../workers/reactor.${EXTENSION}`, import.meta.url).href;
const MONITOR_FILE = new URL(`../../workers/monitor.${EXTENSION}`, import.meta.url).href;
/** A worker that dies soon after its start is replaced later and later. */
const FIRST_BACKOFF_MS = 10;
const LAST_BACKOFF_MS = 5000;

export type SupervisorOptions = {
  readonly handlers: string;
  readonly workerData: unknown;
  readonly minThreads: number;
  readonly maxThreads: number;
  readonly idleTimeoutMs: number;
  readonly monitored: boolean;
  readonly resourceLimits: ResourceLimits | undefined;
};

export type SupervisorEvents = {
  readonly onMessage: (message: FromWorker) => void;
  readonly onWorkerExit: (worker: number, error: unknown) => void;
  /** Something that was posted was in the hands of a worker that died. */
  readonly onClaimLost: (handler: number) => void;
};

export class Supervisor {
  readonly #memory: PoolMemory;
  readonly #dispatcher: PoolDispatcher;
  readonly #descriptors: Descriptors;
  readonly #options: SupervisorOptions;
  readonly #events: SupervisorEvents;
  readonly #threads: Threads;
  readonly #tasks: Tasks;
  readonly #retirement: Retirement;
  readonly #alive = new Set<number>();
  /** Replacements that are put off. */
  #postponed = 0;
  #backoffMs = FIRST_BACKOFF_MS;
  #stopping = false;

  constructor(
    dispatcher: PoolDispatcher,
    descriptors: Descriptors,
    options: SupervisorOptions,
    events: SupervisorEvents,
  ) {
    this.#memory = dispatcher.memory;
    this.#dispatcher = dispatcher;
    this.#descriptors = descriptors;
    this.#options = options;
    this.#events = events;
    this.#threads = new Threads(options.maxThreads + 1, options.resourceLimits);
    this.#tasks = new Tasks(this.#threads);
    this.#retirement = new Retirement(dispatcher, options, this.#alive);
  }

  /** Starts `minThreads` workers; resolves with the handlers when all are ready, rejects if one cannot be. */
  async start(): Promise<HandlerEntry[]> {
    const starts = Array.from({ length: this.#options.minThreads }, (_, worker) => this.#startWorker(worker));
    if (this.#options.monitored) this.#startMonitor();
    const [entries] = await Promise.all(starts);
    this.#threads.unref();
    return entries ?? [];
  }

  /** One more worker, if there may be one. One that cannot be started is tried again, later and later. */
  grow(): void {
    const worker = this.#vacancy();
    if (worker === undefined) return;
    this.#startWorker(worker).catch((error: unknown) => {
      if (this.#stopping) return;
      this.#events.onWorkerExit(worker, error);
      this.#growLater();
    });
    this.#retirement.begin();
  }

  #vacancy(): number | undefined {
    if (this.#stopping) return undefined;
    for (let worker = 0; worker < this.#options.maxThreads; worker++)
      if (!this.#alive.has(worker)) return worker;
    return undefined;
  }

  #growLater(): void {
    this.#postponed++;
    setTimeout(() => {
      this.#postponed--;
      this.grow();
    }, this.#backoffMs).unref();
    this.#backoffMs = Math.min(2 * this.#backoffMs, LAST_BACKOFF_MS);
  }

  /** Tells every thread to end, without waiting. Safe in an exit hook. */
  stopThreads(): void {
    this.#stopping = true;
    this.#retirement.stop();
    const { port } = this.#memory;
    port.store(Word.PHASE, PoolPhase.CLOSED);
    this.#dispatcher.signal(this.#descriptors.stop);
    this.#dispatcher.lot.wakeAll();
  }

  /** Blocks until no thread is loading any more, or the time is over. For the exit hook. */
  endLoading(timeoutMs: number): void {
    this.#threads.endLoading(timeoutMs);
  }

  /** Ends all threads; those that do not end within `graceMs` are terminated. */
  async stop(graceMs: number): Promise<void> {
    this.stopThreads();
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([this.#tasks.ended(), limit]);
    clearTimeout(timer);
    await this.#threads.destroy();
    this.#reapTerminated();
  }

  /** What threads that had to be terminated held, locks too, is nobody's now. */
  #reapTerminated(): void {
    const { words, layout } = this.#memory;
    for (let worker = 0; worker < this.#options.maxThreads; worker++) {
      const phase = words[layout.worker(worker) + WorkerWord.PHASE];
      if (phase !== WorkerPhase.STOPPED && phase !== WorkerPhase.ABSENT) reap(this.#dispatcher, worker, 0);
    }
  }

  #startWorker(worker: number): Promise<HandlerEntry[]> {
    this.#alive.add(worker);
    const line = this.#memory.layout.worker(worker);
    const own = this.#descriptors.workers[worker];
    if (own !== undefined) {
      this.#memory.words[line + WorkerWord.EVENT_FD] = own.event;
      this.#memory.words[line + WorkerWord.POLL_SET] = own.pollSet;
      this.#memory.words[line + WorkerWord.PARK_SET] = own.parkSet;
    }
    this.#memory.words[line + WorkerWord.PHASE] = WorkerPhase.STARTING;
    this.#memory.words[line + WorkerWord.THREAD] = 0;
    this.#memory.words[line + WorkerWord.RETIRE] = RetireState.NONE;
    const { buffers } = this.#memory;
    const { handlers, workerData } = this.#options;
    return new Promise((resolve, reject) => {
      let ready = false;
      let readyAt = 0;
      let failed = false;
      const hear = (message: FromWorker): void => {
        if (message.type === 'ready') {
          ready = true;
          readyAt = performance.now();
          resolve(message.entries);
        } else if (message.type === 'failed') {
          failed = true;
          this.#vacate(worker);
          reject(this.#loadFailure(unpackThrown(message.why)));
        } else {
          this.#events.onMessage(message);
        }
      };
      const data = (port: MessagePort): Omit<ReactorTask, keyof LoadingTask> => ({
        buffers,
        worker,
        handlers,
        workerData,
        port,
      });
      this.#tasks.start(REACTOR_FILE, data, hear, (why) => {
        if (failed) return;
        const retired = this.#retirement.hasLeft(worker);
        // Even if it is not known to have been ready: the news of its death may overtake those of its start.
        const buried = why === undefined ? Promise.resolve() : this.#bury(worker, retired);
        void buried.then(() => {
          if (!ready) {
            this.#vacate(worker);
            reject(this.#loadFailure(why));
          } else if (why !== undefined && !retired && !this.#stopping) {
            if (performance.now() - readyAt > LAST_BACKOFF_MS) this.#backoffMs = FIRST_BACKOFF_MS;
            this.#replace(worker, why);
          }
        });
      });
    });
  }

  /** Sees to it that there is a monitor. A pool of one thread has none before its first timeout. */
  monitor(): void {
    const { words } = this.#memory;
    if (this.#stopping || words[Config.MONITORED] !== 0) return;
    words[Config.MONITORED] = 1;
    this.#startMonitor();
  }

  #startMonitor(): void {
    const { buffers, timeouts } = this.#memory;
    // Until it runs nobody keeps the clock: a worker that reads it now must not be days behind.
    timeouts.setCoarse(stampAt(timeouts.clock.now()));
    const data = (port: MessagePort): Omit<MonitorTask, keyof LoadingTask> => ({ buffers, port });
    this.#tasks.start(MONITOR_FILE, data, this.#events.onMessage, (error) => {
      // Without it a wake-up that was put off would never be made good.
      if (error === undefined || this.#stopping) return;
      setTimeout(() => {
        if (this.#stopping) return;
        // What the dead one knew of timeouts is gone.
        this.#memory.timeouts.markAll();
        this.#startMonitor();
      }, LAST_BACKOFF_MS / 10).unref();
    });
  }

  /** Puts right what a dead worker left. A thread is dead when its `exit` was seen: before, it may still run instructions. */
  async #bury(worker: number, retired: boolean): Promise<void> {
    await this.#threads.exited(
      this.#memory.words[this.#memory.layout.worker(worker) + WorkerWord.THREAD] ?? 0,
    );
    this.#vacate(worker);
    if (this.#stopping || retired) return;
    for (const handler of reap(this.#dispatcher, worker, this.#aliveBits)) this.#events.onClaimLost(handler);
  }

  /** Puts right what a Worker of the app left, by the owner id that it had. Its `exit` event was seen. */
  reapAttached(owner: number): void {
    reapAttached(this.#dispatcher, owner, this.#aliveBits);
  }

  get #aliveBits(): number {
    return [...this.#alive].reduce((bits, id) => bits | (1 << id), 0);
  }

  #vacate(worker: number): void {
    this.#alive.delete(worker);
    // The end of the pool looks at what is not absent.
    if (this.#stopping) return;
    this.#memory.words[this.#memory.layout.worker(worker) + WorkerWord.PHASE] = WorkerPhase.ABSENT;
  }

  #replace(worker: number, why: unknown): void {
    this.#events.onWorkerExit(
      worker,
      makeErrorFrom(why, 'ERR_WAKEONE_WORKER_DIED', `${worker}`, textOf(why)),
    );
    this.#growLater();
  }

  #loadFailure(why: unknown): Error {
    const known = (why as { code?: unknown } | undefined)?.code === 'ERR_WAKEONE_HANDLER_MODULE';
    if (known) return why as Error;
    if (this.#stopping) return makeError('ERR_WAKEONE_POOL_CLOSED', 'Starting a worker');
    const text = why instanceof Error ? why.message : textOf(why);
    return makeErrorFrom(why, 'ERR_WAKEONE_HANDLER_MODULE', this.#options.handlers, text);
  }

  /**
   * Whether work waits that only one more thread can do: the limit has room, nobody sleeps, and none is starting. What the
   * monitor has said may be old.
   */
  get short(): boolean {
    const { limit, lot, pollerWaits } = this.#dispatcher;
    const { words, layout } = this.#memory;
    const phaseOf = (worker: number): number => words[layout.worker(worker) + WorkerWord.PHASE] ?? 0;
    if (this.#postponed > 0 || [...this.#alive].some((id) => phaseOf(id) === WorkerPhase.STARTING))
      return false;
    return limit.hasRoom && !lot.anyParked && !pollerWaits && this.#dispatcher.hasWork();
  }
}
