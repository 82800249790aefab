/**
 * The threads of a pool: one Piscina pool, one long-lived task per thread. A task that runs would keep the process
 * alive for ever; whether an idle pool does is the pool's decision, so each thread's port is unreferenced once it is up.
 */
import type { ResourceLimits, Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { Loading, type LoadingTask } from '../reactor/protocol.ts';
import { noteDeath } from '../sync/deaths.ts';

const EXTENSION = import.meta.url.endsWith('.ts') ? 'cts' : 'cjs';
const ENTRY_FILE = new URL(`../../workers/entry.${EXTENSION}`, import.meta.url).href;

/** What a thread runs: a file of the package, whose default export it calls, and its argument. */
export type ThreadTask = {
  readonly filename: string;
  readonly data: object;
  readonly transfer: readonly object[];
};

/** A task that has not settled. */
type Task = { readonly controller: AbortController; readonly loading: Int32Array };

/** Piscina's record of a worker; it is reached through a symbol of the object that `workerCreate` hands out. */
type WorkerInfo = { readonly worker: Worker; unref(): unknown };

export class Threads {
  readonly #piscina: Piscina;
  readonly #infos = new Set<WorkerInfo>();
  #unreferenced = false;
  /** Not settled, oldest first: those that wait for a thread are the last ones. */
  readonly #tasks = new Set<Task>();
  /** By thread id, as long as the thread lives. */
  readonly #exits = new Map<number, Promise<void>>();

  constructor(most: number, resourceLimits?: ResourceLimits) {
    this.#piscina = new Piscina({
      ...(resourceLimits === undefined ? {} : { resourceLimits }),
      minThreads: 0,
      maxThreads: most,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      atomics: 'disabled',
      // A worker would close at its end every number that it opened with fs.open, whoever owns that number by then.
      trackUnmanagedFds: false,
    });
    // A thread could not begin (no descriptors, no memory). Piscina would leave its task in the queue for ever, and without
    // a listener the process would end: whoever waits in the queue is told, and may try again.
    this.#piscina.on('error', () => {
      const { queueSize } = this.#piscina;
      if (queueSize > 0) for (const task of [...this.#tasks].slice(-queueSize)) task.controller.abort();
    });
    this.#piscina.on('workerCreate', (created: object) => {
      const info = infoOf(created);
      if (info === undefined) return;
      this.#watch(info);
      // It is about to be given its task, and referenced for that: a thread that comes up late must not stay so.
      if (this.#unreferenced) setImmediate(() => info.unref());
    });
  }

  /** Starts a task on a thread of its own; settles when the task ends, rejects when its thread dies. */
  async run({ filename, data, transfer }: ThreadTask): Promise<void> {
    const controller = new AbortController();
    const loading = new Int32Array(new SharedArrayBuffer(4));
    const task = { controller, loading };
    this.#tasks.add(task);
    try {
      await this.#piscina.run({ ...data, module: filename, loading } satisfies LoadingTask, {
        filename: ENTRY_FILE,
        transferList: [...transfer] as never,
        signal: controller.signal,
      });
    } finally {
      this.#tasks.delete(task);
    }
  }

  /** Blocks until no thread is loading, or the time is over; none begins to after this. */
  endLoading(timeoutMs: number): void {
    const end = performance.now() + timeoutMs;
    for (const { loading } of this.#tasks) {
      if (Atomics.compareExchange(loading, 0, Loading.ASKED, Loading.FORBIDDEN) !== Loading.LOADS) continue;
      Atomics.wait(loading, 0, Loading.LOADS, Math.max(0, end - performance.now()));
    }
  }

  /** Waits until the thread runs no more instructions: until its `exit` event was seen. */
  async exited(threadId: number): Promise<void> {
    await this.#exits.get(threadId);
  }

  #watch(info: WorkerInfo): void {
    this.#infos.add(info);
    // Read now: a thread that has ended has no id.
    const { threadId } = info.worker;
    const exit = new Promise<void>((resolve) => info.worker.once('exit', () => resolve())).then(() => {
      this.#infos.delete(info);
      this.#exits.delete(threadId);
      // What it held of wakeone/sync is anybody's now.
      noteDeath(threadId);
    });
    this.#exits.set(threadId, exit);
  }

  /** Lets the process end although the threads run, those that are still to come as well. */
  unref(): void {
    this.#unreferenced = true;
    for (const info of this.#infos) info.unref();
  }

  /** Ends all threads, whatever they do. */
  async destroy(): Promise<void> {
    await this.#piscina.destroy();
    this.#infos.clear();
  }
}

function infoOf(created: object): WorkerInfo | undefined {
  for (const symbol of Object.getOwnPropertySymbols(created)) {
    const value = (created as Record<symbol, unknown>)[symbol];
    if (typeof value === 'object' && value !== null && 'worker' in value && 'unref' in value)
      return value as WorkerInfo;
  }
  return undefined;
}
