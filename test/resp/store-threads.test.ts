/** The store of the cache under several threads, some of which are killed, on the built code. */
import { existsSync } from 'node:fs';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { createMemory, sliceOf, Store } from '../../workers/resp/store.ts';
import { slice } from './store-world.ts';

const LONG = process.env['WAKEONE_STRESS'] !== undefined;
const MB = 2 ** 20;
const MAIN = 1;
const WRONG = 0;
const HELD = 1;

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
  const words = new SharedArrayBuffer(8);
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
  const words = new SharedArrayBuffer(8);
  const threads = [2, 3, 4].map(
    (owner) => new Thread(memory, words, owner, 'pairs', LONG ? 1_000_000 : 10_000),
  );
  await Promise.all(threads.map((thread) => thread.ended));
  expect(new Int32Array(words)[WRONG]).toBe(0);
});

describe('threads that are killed at random leave nothing torn, nothing locked and no memory lost', () => {
  const kills = LONG ? 5000 : 200;

  async function killAll(
    threads: Thread[],
    next: (killed: Thread) => Thread,
    recover: (thread: Thread) => void,
    count: number,
  ): Promise<void> {
    for (let killed = 0; killed < count; killed++) {
      const [thread] = threads.splice(0, 1) as [Thread];
      await thread.ready;
      await setTimeout(Math.random() * 4);
      await thread.kill();
      await thread.ended;
      recover(thread);
      threads.push(next(thread));
    }
    for (const thread of threads) {
      await thread.ready;
      await thread.kill();
      recover(thread);
    }
  }

  async function checkAll(memory: SharedArrayBuffer, words: SharedArrayBuffer, store: Store): Promise<void> {
    store.maintain();
    await new Thread(memory, words, 2 ** 30 - 1, 'verify', 0).ended;
    expect(new Int32Array(words)[WRONG]).toBe(0);
    for (let i = 0; i < 300; i++) for (const name of ['key', 'n', 'log']) store.del(slice(`${name}${i}`));
    expect(store.stats()).toMatchObject({ entries: 0, usedBytes: 0 });
    expect(store.set(slice('k'), sliceOf(new Uint8Array(MB)))).toBe('stored');
  }

  test('when the main thread takes over', async () => {
    const memory = createMemory(2 * MB);
    const words = new SharedArrayBuffer(8);
    const store = new Store(memory, { owner: MAIN });
    let owner = MAIN + 1;
    let held = 0;
    const start = (): Thread => new Thread(memory, words, owner++, 'mixed', 2 ** 30);
    const recover = (thread: Thread): void => void (held += store.recover(thread.owner));
    await killAll([start(), start(), start()], start, recover, kills);
    // Else this test has proved nothing.
    expect(held).toBeGreaterThan(kills / 20);
    await checkAll(memory, words, store);
  }, 120_000);

  test('when the successor takes over, which has the same number', async () => {
    const memory = createMemory(2 * MB);
    const words = new SharedArrayBuffer(8);
    const start = (owner: number): Thread => new Thread(memory, words, owner, 'mixed', 2 ** 30);
    const next = (killed: Thread): Thread => start(killed.owner);
    await killAll([start(2), start(3), start(4)], next, () => {}, kills / 4);
    const store = new Store(memory, { owner: MAIN });
    for (const owner of [2, 3, 4]) store.recover(owner);
    expect(new Int32Array(words)[HELD]).toBeGreaterThan(kills / 80);
    await checkAll(memory, words, store);
  }, 120_000);
});
