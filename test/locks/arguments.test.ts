/** Where locks may be, and what is refused, in a typed way and before anything has changed. */
import {
  Barrier,
  Condition,
  Mutex,
  Once,
  RwLock,
  Semaphore,
  type SharedMemory,
  StripedLock,
  threadDied,
} from 'wakeone/sync';
import { describe, expect, test } from 'vitest';

const INVALID = expect.objectContaining({ code: 'ERR_WAKEONE_INVALID_ARGUMENT' }) as Error;
const coded = (code: string): Error => expect.objectContaining({ code }) as Error;

/** Each kind of lock, with how many bytes it has. */
const kinds: Record<string, [number, (memory: SharedMemory, byteOffset: number) => object]> = {
  Mutex: [Mutex.BYTES, (memory, at) => new Mutex(memory, at)],
  RwLock: [RwLock.BYTES, (memory, at) => new RwLock(memory, at)],
  Semaphore: [Semaphore.bytes(5), (memory, at) => new Semaphore(memory, at, 5)],
  Condition: [Condition.BYTES, (memory, at) => new Condition(memory, at)],
  Once: [Once.BYTES, (memory, at) => new Once(memory, at)],
  Barrier: [Barrier.BYTES, (memory, at) => new Barrier(memory, at, 3)],
  StripedLock: [StripedLock.bytes(4), (memory, at) => new StripedLock(memory, at, 4)],
};

test('the sizes are those that are documented', () => {
  expect(Object.fromEntries(Object.entries(kinds).map(([name, [bytes]]) => [name, bytes]))).toEqual({
    Mutex: 4,
    RwLock: 256,
    Semaphore: 24,
    Condition: 4,
    Once: 8,
    Barrier: 4,
    StripedLock: 256,
  });
});

describe.each(Object.entries(kinds))('%s', (_, [bytes, make]) => {
  test('is placed at any multiple of four bytes with room behind it, and nowhere else', () => {
    const memory = new SharedArrayBuffer(bytes + 8);
    for (const at of [0, 4, 8]) make(memory, at);
    for (const at of [1, 2, 3, 6, -4, 12, 1000, 0.5, Number.NaN, Infinity, '0', null, 4n])
      expect(() => make(memory, at as number)).toThrow(INVALID);
  });

  test('is placed in shared memory only', () => {
    for (const memory of [
      new ArrayBuffer(1024),
      new Int32Array(256),
      {},
      null,
      undefined,
      5,
      'x',
      Buffer.alloc(1024),
    ])
      expect(() => make(memory as SharedMemory, 0)).toThrow(INVALID);
  });

  test('is bounded by the view in which it is', () => {
    const memory = new SharedArrayBuffer(2 * bytes + 64);
    const view = new Uint8Array(memory, 16, bytes + 4);
    make(view, 0);
    make(view, 4);
    make(new DataView(memory, 8), 0);
    expect(() => make(view, 8)).toThrow(INVALID);
    expect(() => make(new Uint8Array(memory, 17, bytes + 4), 0)).toThrow(INVALID);
    make(new Uint8Array(memory, 17, bytes + 4), 3);
  });
});

test('an offset counts from the beginning of a view', () => {
  const words = new Int32Array(new SharedArrayBuffer(64));
  new Mutex(new Uint8Array(words.buffer, 8), 4).tryLock();
  expect([...words].map((word) => word !== 0).indexOf(true)).toBe(3);
});

test('numbers of permits, parties and stripes, times and threads are checked', () => {
  const memory = new SharedArrayBuffer(2 ** 23);
  for (const number of [0, -1, 1.5, Number.NaN, 2 ** 17, '3', undefined]) {
    const count = number as number;
    expect(() => new Semaphore(memory, 0, count)).toThrow(INVALID);
    expect(() => Semaphore.bytes(count)).toThrow(INVALID);
    expect(() => new Barrier(memory, 0, count)).toThrow(INVALID);
    expect(() => new StripedLock(memory, 0, count)).toThrow(INVALID);
    expect(() => StripedLock.bytes(count)).toThrow(INVALID);
  }
  expect(() => StripedLock.bytes(3)).toThrow(INVALID);
  expect([StripedLock.bytes(1), StripedLock.bytes(2 ** 16), Semaphore.bytes(2 ** 16)]).toEqual([
    64,
    2 ** 22,
    2 ** 18 + 4,
  ]);
  for (const thread of [0, -1, 1.5, '1', undefined])
    expect(() => threadDied(thread as number)).toThrow(INVALID);
});

test.each([-1, Number.NaN, '5', null, 5n])('a timeout of %s is refused', async (timeoutMs) => {
  const memory = new SharedArrayBuffer(1024);
  const ms = timeoutMs as number;
  const mutex = new Mutex(memory);
  await expect(mutex.lockAsync(ms)).rejects.toThrow(INVALID);
  await expect(new RwLock(memory, 256).writer.lockAsync(ms)).rejects.toThrow(INVALID);
  await expect(new Semaphore(memory, 4, 1).acquireAsync(ms)).rejects.toThrow(INVALID);
  await expect(new Barrier(memory, 16, 1).waitAsync(ms)).rejects.toThrow(INVALID);
  expect(mutex.tryLock()).toBe(true);
  await expect(new Condition(memory, 20).waitAsync(mutex, ms)).rejects.toThrow(INVALID);
  expect(mutex.held).toBe(true);
  expect(new Int32Array(memory).slice(1).every((word) => word === 0)).toBe(true);
});

test('the main thread is not blocked', () => {
  const memory = new SharedArrayBuffer(1024);
  const mutex = new Mutex(memory);
  const lock = new RwLock(memory, 256);
  const blocks = [
    () => mutex.lock(),
    () => mutex.lock(0),
    () => mutex.run(() => {}),
    () => lock.reader.lock(),
    () => lock.writer.run(() => {}),
    () => new Semaphore(memory, 4, 1).acquire(),
    () => new Condition(memory, 16).wait(mutex),
    () => new Once(memory, 24).run(() => {}),
    () => new Barrier(memory, 32, 1).wait(),
  ];
  for (const block of blocks) expect(block).toThrow(coded('ERR_WAKEONE_MAIN_THREAD'));
  expect(new Int32Array(memory).every((word) => word === 0)).toBe(true);
});

test('what a thread does not hold it cannot give back', async () => {
  const memory = new SharedArrayBuffer(1024);
  const [mutex, lock, semaphore] = [new Mutex(memory), new RwLock(memory, 256), new Semaphore(memory, 4, 2)];
  const notHeld = coded('ERR_WAKEONE_LOCK_NOT_HELD');
  expect(() => mutex.unlock()).toThrow(notHeld);
  expect(() => lock.reader.unlock()).toThrow(notHeld);
  expect(() => lock.writer.unlock()).toThrow(notHeld);
  expect(() => semaphore.release()).toThrow(notHeld);
  await expect(new Condition(memory, 64).waitAsync(mutex)).rejects.toThrow(notHeld);
  expect(lock.reader.tryLock()).toBe(true);
  expect(() => lock.writer.unlock()).toThrow(notHeld);
  lock.reader.unlock();
  // Another thread's.
  new Int32Array(memory)[0] = 77;
  expect(() => mutex.unlock()).toThrow(notHeld);
  expect([mutex.held, mutex.tryLock()]).toEqual([false, false]);
});
