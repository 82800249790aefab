/** The store of the cache under several threads, some of which are killed, on the built code. */
import { existsSync } from 'node:fs';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { createMemory, sliceOf, Store } from '../../workers/resp/store.ts';
import { Collector, slice } from './store-world.ts';

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

describe('a thread that is killed in the middle of', () => {
  /** A store in which the next value of 300 bytes lies in blocks that are not side by side, so that it is copied in parts. */
  function scattered(): { memory: SharedArrayBuffer; store: Store } {
    const memory = createMemory(MB);
    const store = new Store(memory, { owner: MAIN });
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
    expect(store.recover(2)).toBe(1);
    expect(valueOf(store, 'k')).toBeUndefined();
    expect(store.stats()).toMatchObject({ entries: 50, usedBytes: 50 * 128 });
  });

  test.each([1, 2, 3])('a set() elsewhere loses nothing (copy %d)', async (copies) => {
    const { memory, store } = scattered();
    store.set(slice('k'), slice('old'));
    await die(memory, 'set', copies);
    expect(store.recover(2)).toBe(1);
    expect(valueOf(store, 'k')).toBe('old');
    expect(store.stats()).toMatchObject({ entries: 51, usedBytes: 51 * 128 });
  });

  test.each([1, 2, 3])('append() loses this key (copy %d)', async (copies) => {
    const { memory, store } = scattered();
    store.set(slice('k'), slice('o'.repeat(20)));
    await die(memory, 'append', copies);
    expect(store.recover(2)).toBe(1);
    expect(valueOf(store, 'k')).toBeUndefined();
    expect(store.stats()).toMatchObject({ entries: 50, usedBytes: 50 * 128 });
  });

  test('mset() may leave the first ones set, each whole', async () => {
    const { memory, store } = scattered();
    await die(memory, 'mset', 5);
    expect(store.recover(2)).toBeGreaterThan(0);
    expect([valueOf(store, 'a'), valueOf(store, 'b'), valueOf(store, 'k')]).toEqual([
      'x'.repeat(300),
      undefined,
      undefined,
    ]);
    expect(store.stats()).toMatchObject({ entries: 51, usedBytes: 53 * 128 });
  });

  test('anything does not keep maintain() waiting', async () => {
    const { memory, store } = scattered();
    // In that stripe it looks for what is over.
    store.set(slice('k'), slice('v'), Date.now() + 1e9);
    await die(memory, 'set', 1);
    store.maintain();
    expect(store.recover(2)).toBe(1);
    expect(store.recover(2)).toBe(0);
  });
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
