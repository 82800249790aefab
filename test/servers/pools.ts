/** Pools of a test, and what must be true of each after it: see guardPools(). */
import { readdirSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach, expect } from 'vitest';
import { createPool, type ListenOptions, type Pool, type PoolOptions, type Server } from 'wakeone';
import { closeClients } from './client.ts';
import { until } from './deadline.ts';
import { Journal } from './journal.ts';

export type World = { readonly pool: Pool; readonly journal: Journal };

/** Full counts instead of those that fit `npm test`. */
export const STRESS: boolean = process.env['WAKEONE_STRESS'] === '1';

/** Parked workers look again after this time and count what nobody had woken them for. */
const SAFETY_MS = 1000;
const pools: Pool[] = [];
const cleanups: (() => unknown)[] = [];
let descriptors: string[] = [];

/** The URL of a handler module of the tests. */
export function handlerModule(name: string): URL {
  return new URL(`handlers/${name}.mjs`, import.meta.url);
}

/** Makes a pool with a journal; it is closed and checked after the test. */
export async function openPool(
  handlers: string,
  options: Omit<Partial<PoolOptions>, 'handlers' | 'workerData'> & { readonly workerData?: object } = {},
): Promise<World> {
  const journal = new Journal();
  const pool = await createPool({
    minThreads: 2,
    concurrency: options.minThreads ?? 2,
    safetyTimeoutMs: SAFETY_MS,
    ...options,
    handlers: handlerModule(handlers),
    workerData: { journal: journal.memory, ...options.workerData },
  });
  pools.push(pool);
  return { pool, journal };
}

/** Runs after the test, when its pools are closed, before its descriptors are counted; last in, first out. */
export function afterTest(cleanup: () => unknown): void {
  cleanups.push(cleanup);
}

/** Listens on a free port of 127.0.0.1. */
export function listen(pool: Pool, handler: string, options: Partial<ListenOptions> = {}): Promise<Server> {
  const where = options.path === undefined ? { port: 0, host: '127.0.0.1' } : {};
  return pool.listen({ ...where, handler, ...options });
}

/** What is open in this process, by what it is. */
export function openDescriptors(): string[] {
  return readdirSync('/proc/self/fd')
    .flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`).replace(/:\[\d+\]$/, '')];
      } catch {
        // The one of readdir itself.
        return [];
      }
    })
    .toSorted((a, b) => (a < b ? -1 : 1));
}

/**
 * Closes each pool that the test has made, and checks what must hold whatever happened in it: no two handlers of one
 * connection at once (G1), no lost wake-up (G6), no registration left, no descriptor leaked.
 */
export function guardPools(): void {
  beforeEach(() => {
    descriptors = openDescriptors();
  });
  afterEach(async () => {
    const made = pools.splice(0);
    await Promise.all(made.map((pool) => pool.close({ timeoutMs: 500 })));
    await closeClients();
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
    for (const pool of made) {
      const { registered, exclusivityViolations, rescuedWakeups } = pool.stats();
      expect({ registered, exclusivityViolations, rescuedWakeups }).toEqual({
        registered: 0,
        exclusivityViolations: 0,
        rescuedWakeups: 0,
      });
    }
    await until(
      () => openDescriptors().length <= descriptors.length,
      () => `the descriptors of before, ${descriptors.join(' ')}; open are ${openDescriptors().join(' ')}`,
      3000,
    );
  });
}
