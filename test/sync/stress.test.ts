/**
 * Ring, mutex and parking lot with real threads on the built code: every item once, a counter that is exact, no
 * wake-up lost. WAKEONE_STRESS=1 makes it 10^7 rounds. Scenarios 62, 68, 70; 11 for the lock.
 */
import { existsSync } from 'node:fs';
import process from 'node:process';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { AtomicsPort } from '../../src/sync/port.ts';
import { Ring } from '../../src/sync/ring.ts';

const LONG = process.env['WAKEONE_STRESS'] === '1';
const ROUNDS = LONG ? 10_000_000 : 100_000;
/** Hints have 21 bits. */
const MOST_HINTS = 2_000_000;
const TIMEOUT_MS = LONG ? 1_800_000 : 60_000;

/** Words of stress-words.mjs that this side touches. */
const WAITING = 0;
const HEAD = 80;
const TAIL = 96;
const RING_CELLS = 256;
const CELLS = 4096;

type Role = { readonly role: string; readonly id: number; readonly count: number };
type Report = { readonly role: string; readonly value: number };

/** Runs one worker for each role over `memory`; resolves when all have reported. */
async function run(memory: SharedArrayBuffer, roles: readonly Role[], rest: object = {}): Promise<Report[]> {
  new Int32Array(memory)[WAITING] = roles.length;
  const file = new URL('stress-worker.mjs', import.meta.url);
  const workers = roles.map((role) => new Worker(file, { workerData: { memory, ...role, ...rest } }));
  try {
    return await Promise.all(
      workers.map(
        (worker) =>
          new Promise<Report>((resolve, reject) => {
            worker.once('message', resolve);
            worker.once('error', reject);
            worker.once('exit', (code) => reject(new Error(`a worker ended early with ${code}`)));
          }),
      ),
    );
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

const valuesOf = (reports: readonly Report[], role: string): number[] =>
  reports.filter((report) => report.role === role).map((report) => report.value);

const times = (count: number, make: (id: number) => Role): Role[] =>
  Array.from({ length: count }, (_, id) => make(id));

test('the built code is there', () => {
  expect(existsSync(new URL('../../dist/src/sync/ring.js', import.meta.url)), 'npm test builds first').toBe(
    true,
  );
});

describe('real threads', () => {
  test.each([
    // A ring of one is handed from thread to thread for each item.
    [1, 2, 2, ROUNDS / 10],
    [8, 2, 2, ROUNDS],
    [64, 3, 1, ROUNDS],
    [8, 1, 3, ROUNDS],
  ])(
    'put each item through a ring of %i once, with %i pushers and %i takers, across 2^31',
    async (capacity, pushers, takers, rounds) => {
      const total = Math.min(rounds, MOST_HINTS);
      const count = Math.floor(total / pushers);
      const memory = new SharedArrayBuffer(4 * (CELLS + pushers * count + 1));
      const place = { head: HEAD, tail: TAIL, cells: RING_CELLS, capacity };
      new Ring(new AtomicsPort(new Int32Array(memory)), place).initialize(2 ** 31 - Math.floor(total / 2));
      const reports = await run(
        memory,
        [
          ...times(pushers, (id) => ({ role: 'pusher', id, count })),
          ...times(takers, (id) => ({ role: 'taker', id, count })),
        ],
        { capacity, pushers },
      );
      const counts = new Int32Array(memory, 4 * (CELLS + 1), pushers * count);
      expect(counts.every((taken) => taken === 1)).toBe(true);
      expect(valuesOf(reports, 'taker'), 'items of one pusher came in order').toEqual(
        Array.from({ length: takers }, () => 0),
      );
    },
    TIMEOUT_MS,
  );

  test(
    'count exactly inside a mutex',
    async () => {
      const threads = 4;
      const memory = new SharedArrayBuffer(4 * (CELLS + 2));
      const count = Math.floor(ROUNDS / threads);
      const reports = await run(
        memory,
        times(threads, (id) => ({ role: 'locker', id, count })),
      );
      const words = new Int32Array(memory);
      expect([words[CELLS], words[CELLS + 1]]).toEqual([count * threads, count * threads]);
      expect(valuesOf(reports, 'locker')).toEqual([0, 0, 0, 0]);
    },
    TIMEOUT_MS,
  );

  test.each([1, 3])(
    'lose no wake-up with %i members that park between two pieces of work',
    async (members) => {
      const memory = new SharedArrayBuffer(4 * CELLS);
      const reports = await run(memory, [
        ...times(members, (id) => ({ role: 'member', id, count: 0 })),
        { role: 'giver', id: 0, count: LONG ? ROUNDS : ROUNDS / 2 },
      ]);
      expect(valuesOf(reports, 'giver'), 'pieces of work that nobody woke up for').toEqual([0]);
    },
    TIMEOUT_MS,
  );
});
