/**
 * The threads of a pool: one Piscina pool, one long-lived task per thread. A task that runs would keep the process
 * alive for ever; whether an idle pool does is the pool's decision, so each thread's port is unreferenced once it is up.
 */
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';

/** What a thread runs: a file of the package, the export it calls, and its argument. */
export type ThreadTask = {
  readonly filename: string;
  readonly data: object;
  readonly transfer: readonly object[];
};

/** Piscina's record of a worker; it is reached through a symbol of the object that `workerCreate` hands out. */
type WorkerInfo = { readonly worker: Worker; unref(): unknown };

export class Threads {
  readonly #piscina: Piscina;
  readonly #infos = new Set<WorkerInfo>();
  #unreferenced = false;

  constructor(most: number) {
    this.#piscina = new Piscina({
      minThreads: 0,
      maxThreads: most,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      atomics: 'disabled',
      // A worker would close at its end every number that it opened with fs.open, whoever owns that number by then.
      trackUnmanagedFds: false,
    });
    this.#piscina.on('workerCreate', (created: object) => {
      const info = infoOf(created);
      if (info === undefined) return;
      this.#infos.add(info);
      // It is about to be given its task, and referenced for that: a thread that comes up late must not stay so.
      if (this.#unreferenced) setImmediate(() => info.unref());
      info.worker.once('exit', () => this.#infos.delete(info));
    });
  }

  /** Starts a task on a thread of its own; settles when the task ends, rejects when its thread dies. */
  run(task: ThreadTask): Promise<void> {
    return this.#piscina.run(task.data, {
      filename: task.filename,
      transferList: [...task.transfer] as never,
    }) as Promise<void>;
  }

  /** The thread with this id; undefined once it has exited. (Piscina forgets a thread at its first error, before that.) */
  thread(threadId: number): Worker | undefined {
    for (const { worker } of this.#infos) if (worker.threadId === threadId) return worker;
    return undefined;
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
