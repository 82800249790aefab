/** The test's side of handlers/limits.mjs: pools with a limit, and what their handlers counted. */
import { createPool, type Pool, type PoolOptions } from 'wakeone';
import { type Client, openClients } from '../servers/client.ts';
import { until } from '../servers/deadline.ts';
import { afterTest, listen } from '../servers/pools.ts';
import { type Activity, activityOf } from './threads.ts';

/** Words that the handlers share. */
export const Shared = {
  RUNNING: 0,
  MOST: 1,
  STARTED: 2,
  /** Handlers that started when as many as may ran already. */
  OVER: 3,
  LIMIT: 4,
  SPIN_US: 5,
  GATE: 6,
  BLOCKED: 7,
  SENT: 8,
  EVENTS: 9,
  DISPOSED: 10,
  BEGUN: 11,
} as const;
export type Shared = (typeof Shared)[keyof typeof Shared];
const TIDS = 16;

export class Limits {
  readonly pool: Pool;
  readonly #words: Int32Array;
  readonly #times: Float64Array;

  constructor(pool: Pool, memory: SharedArrayBuffer) {
    this.pool = pool;
    this.#words = new Int32Array(memory);
    this.#times = new Float64Array(memory, 512);
  }

  read(at: Shared): number {
    return Atomics.load(this.#words, at);
  }

  write(at: Shared, value: number): void {
    Atomics.store(this.#words, at, value);
    Atomics.notify(this.#words, at);
  }

  reaches(at: Shared, least: number, what: string): Promise<void> {
    return until(
      () => this.read(at) >= least,
      () => `${what}: it is ${this.read(at)}, not ${least}`,
    );
  }

  /** Milliseconds from the moment at which a handler blocked to the start of the next one. */
  get takeOverMs(): number {
    return (this.#times[1] ?? 0) - (this.#times[0] ?? 0);
  }

  /** Kernel's ids of the worker threads, by worker; 0 where there was none yet. */
  get threads(): number[] {
    return [...this.#words.subarray(TIDS, TIDS + 32)];
  }

  /** What the worker threads have done so far, by worker. */
  activity(): (Activity | undefined)[] {
    const all = activityOf(process.pid);
    return this.threads.map((thread) => all.find(({ tid }) => tid === thread));
  }
}

export async function openLimits(options: Partial<PoolOptions>): Promise<Limits> {
  const memory = new SharedArrayBuffer(1024);
  const pool = await createPool({
    safetyTimeoutMs: 1000,
    ...options,
    handlers: new URL('handlers/limits.mjs', import.meta.url),
    workerData: { memory },
  });
  const limits = new Limits(pool, memory);
  limits.write(Shared.LIMIT, pool.concurrency);
  limits.write(Shared.SPIN_US, 200);
  afterTest(async () => {
    limits.write(Shared.GATE, 1);
    await pool.destroy();
  });
  return limits;
}

/** Clients that each ask again when they are answered, until stop(). */
export class Load {
  readonly #clients: readonly Client[];
  readonly #done: Promise<unknown>;
  #stopped = false;

  constructor(clients: readonly Client[]) {
    this.#clients = clients;
    this.#done = Promise.all(clients.map((client) => this.#ask(client)));
  }

  static async begin({ pool }: Limits, handler: string, clients: number): Promise<Load> {
    return new Load(await openClients(await listen(pool, handler), clients));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
    for (const client of this.#clients) client.socket.destroy();
  }

  async #ask(client: Client): Promise<void> {
    while (!this.#stopped) {
      client.write('x');
      await client.read(1);
    }
  }
}

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
