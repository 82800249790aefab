/**
 * Locks with real threads on the built code: counters that are exact, and nobody who sleeps for ever. WAKEONE_STRESS=1 makes it
 * a hundred times as many rounds.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';

const LONG = process.env['WAKEONE_STRESS'] === '1';
const MORE = LONG ? 100 : 1;
const TIMEOUT_MS = LONG ? 600_000 : 30_000;
/** As stress-worker.mjs has it. */
const DATA = 1024;

/** Runs a thread for each role; returns the sum of what they saw that was wrong, and the words that they have changed. */
async function run(
  roles: readonly string[],
  count: number,
  rest: object = {},
): Promise<{ readonly wrong: number; readonly words: number[] }> {
  const memory = new SharedArrayBuffer(4 * (DATA + 256));
  const file = new URL('stress-worker.mjs', import.meta.url);
  const workers = roles.map(
    (role) =>
      new Worker(file, { workerData: { memory, role, count: count * MORE, threads: roles.length, ...rest } }),
  );
  const reports = workers.map(async (worker) => ((await once(worker, 'message')) as [number])[0]);
  const seen = await Promise.all(reports);
  await Promise.all(workers.map((worker) => worker.terminate()));
  return { wrong: seen.reduce((sum, one) => sum + one, 0), words: [...new Int32Array(memory, 4 * DATA)] };
}

test('locks that are free are taken and released without allocation', async () => {
  const rounds = 50_000;
  const { wrong: bytes } = await run(['heap'], rounds / MORE);
  // Less than a byte for each time: what the compiler and others need.
  expect(bytes / rounds).toBeLessThan(6);
});

describe('real threads', () => {
  test(
    'count exactly inside a mutex, with and without patience, and asynchronously',
    async () => {
      const roles = ['mutex', 'mutex', 'impatient', 'asynchronous'];
      const { wrong, words } = await run(roles, 2000);
      expect([wrong, words[0], words[1]]).toEqual([0, 8000 * MORE, 8000 * MORE]);
    },
    TIMEOUT_MS,
  );

  test(
    'count exactly inside stripes',
    async () => {
      const { wrong, words } = await run(['striped', 'striped', 'striped'], 8000);
      expect([wrong, words[0], words[17], words[32], words[49]]).toEqual([0, ...Array(4).fill(6000 * MORE)]);
    },
    TIMEOUT_MS,
  );

  test(
    'write and read under a lock for both, and never see half a change',
    async () => {
      const { wrong, words } = await run(['writer', 'writer', 'reader', 'reader'], 1500);
      expect([wrong, words[0], words[1]]).toEqual([0, 3000 * MORE, 3000 * MORE]);
    },
    TIMEOUT_MS,
  );

  test.each([1, 2])(
    'hold no more than %i permits',
    async (permits) => {
      const { wrong, words } = await run(['semaphore', 'semaphore', 'semaphore'], 1500, { permits });
      expect([wrong, words[0], words[2]]).toEqual([0, 4500 * MORE, 0]);
    },
    TIMEOUT_MS,
  );

  test(
    'hand items over with conditions',
    async () => {
      const { wrong, words } = await run(['puts', 'takes', 'puts', 'takes'], 500);
      expect([wrong, words[0], words[1], words[2]]).toEqual([0, 1000 * MORE, 1000 * MORE, 0]);
    },
    TIMEOUT_MS,
  );

  test(
    'do once what is to be done once',
    async () => {
      const { wrong, words } = await run(['once', 'once', 'once'], 64);
      expect(wrong).toBe(0);
      expect(words.filter((_, i) => i < 128 && i % 2 === 0)).toEqual(Array(64).fill(1));
    },
    TIMEOUT_MS,
  );

  test(
    'meet at a barrier, round after round',
    async () => {
      const { wrong, words } = await run(['barrier', 'barrier', 'barrier'], 300);
      expect([wrong, words[0]]).toEqual([0, 900 * MORE]);
    },
    TIMEOUT_MS,
  );
});
