/** The store of the cache under several threads, some of which are killed, on the built code. */
import { existsSync } from 'node:fs';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { threadDied } from '../../src/locks/index.ts';
import { deathsMemory, ownerOfThread } from '../../src/sync/deaths.ts';
import { POOL, stripeAt } from '../../workers/resp/layout.ts';
import { createMemory, sliceOf, Store } from '../../workers/resp/store.ts';
import { Collector, slice } from './store-world.ts';

const LONG = process.env['WAKEONE_STRESS'] !== undefined;
const MB = 2 ** 20;
const WRONG = 0;
const STRIPES = 128;

/** A thread that does one of the things of store-worker.mjs. */
class Thread {
  readonly ready: Promise<void>;
  readonly ended: Promise<unknown>;
  readonly #worker: Worker;

  constructor(memory: SharedArrayBuffer, words: SharedArrayBuffer, id: number, role: string, count: number) {
    const workerData = { memory, words, deaths: deathsMemory(), id, role, count };
    this.#worker = new Worker(new URL('store-worker.mjs', import.meta.url), { workerData });
    this.ready = new Promise((resolve) => this.#worker.once('message', () => resolve()));
    this.ended = new Promise((resolve, reject) => {
      this.#worker.once('exit', resolve);
      this.#worker.once('error', reject);
    });
  }

  /** Ends it at whatever it does; the others hear of it. By what id it had its locks. */
  async kill(): Promise<number> {
    const { threadId } = this.#worker;
    await this.#worker.terminate();
    threadDied(threadId);
    return ownerOfThread(threadId);
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
  const threads = [2, 3, 4, 5].map((id) => new Thread(memory, words, id, 'counter', count));
  await Promise.all(threads.map((thread) => thread.ended));
  const store = new Store(memory);
  const sums = [0, 1, 2].map((i) => Number(store.incrBy(slice(`counter${i}`), 0)));
  // -1 + 0 + 1 + 2 + 3 in five rounds.
  expect(sums.reduce((a, b) => a + b)).toBe(4 * count);
  expect(new Int32Array(words)[WRONG]).toBe(0);
});

test('mget never sees a mset half done', async () => {
  const memory = createMemory(MB);
  const words = new SharedArrayBuffer(8);
  const threads = [2, 3, 4].map((id) => new Thread(memory, words, id, 'pairs', LONG ? 1_000_000 : 10_000));
  await Promise.all(threads.map((thread) => thread.ended));
  expect(new Int32Array(words)[WRONG]).toBe(0);
});

test('four threads that each want half of the memory all get it, one after the other', async () => {
  const memory = createMemory(MB);
  const words = new SharedArrayBuffer(8);
  const threads = [2, 3, 4, 5].map((id) => new Thread(memory, words, id, 'big', LONG ? 30_000 : 300));
  await Promise.all(threads.map((thread) => thread.ended));
  expect(new Int32Array(words)[WRONG]).toBe(0);
  const store = new Store(memory);
  const { usedBytes, totalBytes } = store.stats();
  expect(usedBytes).toBeLessThanOrEqual(totalBytes);
  store.flush();
  expect(store.stats().usedBytes).toBe(0);
});

describe('a thread that is killed in the middle of', () => {
  /** A store in which the next value of 300 bytes lies in blocks that are not side by side, so that it is copied in parts. */
  function scattered(): { memory: SharedArrayBuffer; store: Store } {
    const memory = createMemory(MB);
    const store = new Store(memory);
    for (let i = 0; i < 100; i++) store.set(slice(`x${i}`), slice('x'));
    for (let i = 0; i < 100; i += 2) store.del(slice(`x${i}`));
    return { memory, store };
  }

  async function die(memory: SharedArrayBuffer, operation: string, copies: number): Promise<void> {
    const words = new SharedArrayBuffer(8);
    const thread = new Thread(memory, words, 2, operation, copies);
    await thread.ready;
    await thread.kill();
    expect(new Int32Array(words)[WRONG]).toBe(0);
  }

  const valueOf = (store: Store, key: string): string | undefined => {
    const sink = new Collector();
    return store.get(slice(key), sink) ? sink.take()[0] : undefined;
  };

  test.each([1, 2, 3])('a set() in place loses this key (copy %d)', async (copies) => {
    const { memory, store } = scattered();
    store.set(slice('k'), slice('o'.repeat(300)));
    await die(memory, 'set', copies);
    expect(valueOf(store, 'k')).toBeUndefined();
    store.maintain();
    expect(store.stats()).toMatchObject({ entries: 50, usedBytes: 50 * 128 });
  });

  test.each([1, 2, 3])('a set() elsewhere loses nothing (copy %d)', async (copies) => {
    const { memory, store } = scattered();
    store.set(slice('k'), slice('old'));
    await die(memory, 'set', copies);
    expect(valueOf(store, 'k')).toBe('old');
    store.maintain();
    expect(store.stats()).toMatchObject({ entries: 51, usedBytes: 51 * 128 });
  });

  test.each([1, 2, 3])('append() loses this key (copy %d)', async (copies) => {
    const { memory, store } = scattered();
    store.set(slice('k'), slice('o'.repeat(20)));
    await die(memory, 'append', copies);
    expect(valueOf(store, 'k')).toBeUndefined();
    store.maintain();
    expect(store.stats()).toMatchObject({ entries: 50, usedBytes: 50 * 128 });
  });

  test('mset() may leave the first ones set, each whole', async () => {
    const { memory, store } = scattered();
    await die(memory, 'mset', 5);
    expect([valueOf(store, 'a'), valueOf(store, 'b'), valueOf(store, 'k')]).toEqual([
      'x'.repeat(300),
      undefined,
      undefined,
    ]);
    store.maintain();
    expect(store.stats()).toMatchObject({ entries: 51, usedBytes: 53 * 128 });
  });

  test.each([-3, 3])(
    'taking or giving back of blocks leaves a count that is wrong by %d for a moment',
    (error) => {
      const { memory, store } = scattered();
      const words = new Int32Array(memory);
      const dead = 1_000_000;
      words[POOL.lock] = ownerOfThread(dead);
      words[POOL.free] = (words[POOL.free] ?? 0) + error;
      threadDied(dead);
      store.set(slice('k'), slice('v'));
      expect(store.stats()).toMatchObject({ entries: 51, usedBytes: 51 * 128 });
    },
  );

  test('anything keeps maintain() from nothing, before and after it is known', async () => {
    const { memory, store } = scattered();
    // In that stripe it looks for what is over.
    store.set(slice('k'), slice('v'), Date.now() + 1e9);
    const thread = new Thread(memory, new SharedArrayBuffer(8), 2, 'set', 1);
    await thread.ready;
    store.maintain();
    await thread.kill();
    store.maintain();
    expect(valueOf(store, 'k')).toBe('v');
    expect(store.stats()).toMatchObject({ entries: 51, usedBytes: 51 * 128 });
  });
});

test('threads that are killed at random leave nothing torn, nothing locked and no memory lost', async () => {
  const memory = createMemory(2 * MB);
  const words = new SharedArrayBuffer(8);
  const locks = new Int32Array(memory);
  const kills = LONG ? 5000 : 200;
  let held = 0;
  const start = (): Thread => new Thread(memory, words, 0, 'mixed', 2 ** 30);
  const kill = async (thread: Thread): Promise<void> => {
    await thread.ready;
    await setTimeout(Math.random() * 4);
    const owner = await thread.kill();
    for (let stripe = 0; stripe < STRIPES; stripe++)
      if (((locks[stripeAt(stripe)] ?? 0) & (2 ** 30 - 1)) === owner) held++;
  };

  const threads = [start(), start(), start()];
  for (let killed = 0; killed < kills; killed++) {
    await kill(threads.shift() as Thread);
    threads.push(start());
  }
  for (const thread of threads) await kill(thread);
  // Else this test has proved nothing.
  expect(held).toBeGreaterThan(kills / 20);

  await new Thread(memory, words, 0, 'verify', 0).ended;
  expect(new Int32Array(words)[WRONG]).toBe(0);
  const store = new Store(memory);
  for (let i = 0; i < 300; i++) for (const name of ['key', 'n', 'log']) store.del(slice(`${name}${i}`));
  store.maintain();
  expect(store.stats()).toMatchObject({ entries: 0, usedBytes: 0 });
  expect(store.set(slice('k'), sliceOf(new Uint8Array(MB)))).toBe('stored');
}, 120_000);
