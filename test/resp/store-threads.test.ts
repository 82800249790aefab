/** The store of the cache under several threads, some of which are killed, on the built code. */
import { existsSync } from 'node:fs';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { createMemory, sliceOf, Store } from '../../workers/resp/store.ts';
import { slice } from './store-world.ts';

const LONG = process.env['WAKEONE_STRESS'] !== undefined;
const MB = 2 ** 20;
const MAIN = 1;
const WRONG = 0;

/** A thread that does one of the things of store-worker.mjs. */
class Thread {
  readonly owner: number;
  readonly ready: Promise<void>;
  readonly ended: Promise<unknown>;
  readonly #worker: Worker;

  constructor(
    memory: SharedArrayBuffer,
    words: SharedArrayBuffer,
    owner: number,
    role: string,
    count: number,
  ) {
    this.owner = owner;
    const workerData = { memory, words, owner, role, count };
    this.#worker = new Worker(new URL('store-worker.mjs', import.meta.url), { workerData });
    this.ready = new Promise((resolve) => this.#worker.once('message', () => resolve()));
    this.ended = new Promise((resolve, reject) => {
      this.#worker.once('exit', resolve);
      this.#worker.once('error', reject);
    });
  }

  async kill(): Promise<void> {
    await this.#worker.terminate();
  }
}

test('the built code is there', () => {
  expect(
    existsSync(new URL('../../dist/workers/resp/store.js', import.meta.url)),
    'npm test builds first',
  ).toBe(true);
});

test('four threads count exactly', async () => {
  const memory = createMemory(MB);
  const words = new SharedArrayBuffer(4);
  const count = LONG ? 3_000_000 : 30_000;
  const threads = [2, 3, 4, 5].map((owner) => new Thread(memory, words, owner, 'counter', count));
  await Promise.all(threads.map((thread) => thread.ended));
  const store = new Store(memory, { owner: MAIN });
  const sums = [0, 1, 2].map((i) => Number(store.incrBy(slice(`counter${i}`), 0)));
  // -1 + 0 + 1 + 2 + 3 in five rounds.
  expect(sums.reduce((a, b) => a + b)).toBe(4 * count);
  expect(new Int32Array(words)[WRONG]).toBe(0);
});

test('mget never sees a mset half done', async () => {
  const memory = createMemory(MB);
  const words = new SharedArrayBuffer(4);
  const threads = [2, 3, 4].map(
    (owner) => new Thread(memory, words, owner, 'pairs', LONG ? 1_000_000 : 10_000),
  );
  await Promise.all(threads.map((thread) => thread.ended));
  expect(new Int32Array(words)[WRONG]).toBe(0);
});

test('threads that are killed at random leave nothing torn, nothing locked and no memory lost', async () => {
  const memory = createMemory(2 * MB);
  const words = new SharedArrayBuffer(4);
  const store = new Store(memory, { owner: MAIN });
  const kills = LONG ? 5000 : 200;
  let owner = MAIN + 1;
  let held = 0;
  const start = (): Thread => new Thread(memory, words, owner++, 'mixed', 2 ** 30);

  const threads = [start(), start(), start()];
  for (let killed = 0; killed < kills; killed++) {
    const [thread] = threads.splice(0, 1) as [Thread];
    threads.push(start());
    await thread.ready;
    await setTimeout(Math.random() * 4);
    await thread.kill();
    await thread.ended;
    held += store.recover(thread.owner);
  }
  for (const thread of threads) {
    await thread.ready;
    await thread.kill();
    held += store.recover(thread.owner);
  }
  store.maintain();
  await new Thread(memory, words, owner, 'verify', 0).ended;

  expect(new Int32Array(words)[WRONG]).toBe(0);
  // Else this test has proved nothing.
  expect(held).toBeGreaterThan(kills / 20);
  for (let i = 0; i < 300; i++) for (const name of ['key', 'n', 'log']) store.del(slice(`${name}${i}`));
  expect(store.stats()).toMatchObject({ entries: 0, usedBytes: 0 });
  expect(store.set(slice('k'), sliceOf(new Uint8Array(MB)))).toBe('stored');
}, 120_000);
