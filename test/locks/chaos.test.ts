/** Threads that are terminated at any moment, with locks in their hands or on their way to them: all others go on (G9). */
import { once } from 'node:events';
import { setTimeout as after } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Mutex, RwLock, Semaphore } from 'wakeone/sync';
import { expect, test } from 'vitest';
import { until } from '../servers/deadline.ts';
import { afterTest, guardPools, openPool, STRESS } from '../servers/pools.ts';

guardPools();

const THREADS = 3;
const ROUNDS = STRESS ? 1000 : 4;
/** As chaos-worker.mjs has them. */
const STOP = 0;
const WRONG = 1;
const PAIRS = 4;
const FIRST_BEAT = 16;
const LOCKS = 1024;

test('whoever is terminated stops nobody, and never leaves half a change without a mark', async () => {
  const { pool } = await openPool('shared', { minThreads: 1 });
  const bytes = pool.shared('chaos', 4096);
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, 1024);
  const workers: Worker[] = [];
  const start = async (place: number): Promise<void> => {
    const worker = new Worker(new URL('chaos-worker.mjs', import.meta.url));
    workers[place] = worker;
    afterTest(() => worker.terminate());
    // A thread that loads the native layer must not be terminated.
    await once(worker, 'message');
    worker.postMessage({ ticket: pool.attach(worker), beat: FIRST_BEAT + place });
  };
  const beats = (): number[] => [...words.subarray(FIRST_BEAT, FIRST_BEAT + THREADS)];
  await Promise.all(Array.from({ length: THREADS }, (_, place) => start(place)));
  for (let round = 0; round < ROUNDS; round++) {
    const place = round % THREADS;
    const before = beats();
    await until(
      () => beats().every((beat, i) => beat > (before[i] ?? 0)),
      () => `all go on in round ${round}`,
    );
    // Some are in the middle of a wait then, others of a change.
    await after(round % 4);
    await workers[place]?.terminate();
    await start(place);
  }
  Atomics.store(words, STOP, 1);
  await until(() => workers.every(({ threadId }) => threadId < 0), 'the end of all');
  expect(words[WRONG]).toBe(0);
  // Each pair was made whole by who came behind the dead one.
  const [mutex, lock] = [new Mutex(bytes, LOCKS), new RwLock(bytes, LOCKS + 64)];
  expect([await mutex.lockAsync(1000), await lock.writer.lockAsync(1000)]).toEqual([true, true]);
  expect([mutex.ownerDied || words[PAIRS] === words[PAIRS + 1]]).toEqual([true]);
  expect([lock.writer.ownerDied || words[PAIRS + 2] === words[PAIRS + 3]]).toEqual([true]);
  expect(new Semaphore(bytes, LOCKS + 512, 2).taken).toBe(0);
});
