/** Locks of a thread that must not block: between its own functions, with timeouts, and on its way out. */
import { execFile } from 'node:child_process';
import { setImmediate, setTimeout as after } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Barrier, Condition, Mutex, Once, RwLock, Semaphore, StripedLock } from 'wakeone/sync';
import { describe, expect, test } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const memory = (): SharedArrayBuffer => new SharedArrayBuffer(1024);

describe('a mutex', () => {
  test('keeps async functions of one thread apart', async () => {
    const mutex = new Mutex(memory());
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await setImmediate();
      inside--;
    };
    await Promise.all(Array.from({ length: 20 }, () => mutex.runAsync(work)));
    expect(most).toBe(1);
    expect(mutex.held).toBe(false);
  });

  test('is released when the function throws, which is passed on', async () => {
    const mutex = new Mutex(memory());
    const error = new Error('mine');
    await expect(mutex.runAsync(() => Promise.reject(error))).rejects.toBe(error);
    await expect(
      mutex.runAsync(() => {
        throw error;
      }),
    ).rejects.toBe(error);
    expect(mutex.tryLock()).toBe(true);
    // A function that has given the lock back itself.
    mutex.unlock();
    await expect(
      mutex.runAsync(() => {
        mutex.unlock();
        throw error;
      }),
    ).rejects.toBe(error);
    await expect(mutex.runAsync(() => mutex.unlock())).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_WAKEONE_LOCK_NOT_HELD' }),
    );
    expect(await mutex.runAsync((ownerDied) => [1, ownerDied])).toEqual([1, false]);
  });

  test('is waited for as long as was said, and had at once by 0 if it is free', async () => {
    const mutex = new Mutex(memory());
    expect(await mutex.lockAsync(0)).toBe(true);
    const from = performance.now();
    expect(await mutex.lockAsync(0)).toBe(false);
    expect(await mutex.lockAsync(70)).toBe(false);
    expect(performance.now() - from).toBeGreaterThan(69);
    const waits = mutex.lockAsync(60_000);
    mutex.unlock();
    expect(await waits).toBe(true);
  });
});

test('readers and a writer take turns', async () => {
  const lock = new RwLock(memory());
  const order: string[] = [];
  await Promise.all([lock.reader.lockAsync(), lock.reader.lockAsync()]);
  const writes = lock.writer.runAsync(async () => {
    order.push('writes');
    await setImmediate();
    order.push('has written');
  });
  await setImmediate();
  // A writer waits, so a new reader does too.
  expect(lock.reader.tryLock()).toBe(false);
  const reads = lock.reader.runAsync(() => order.push('reads'));
  expect(await lock.reader.lockAsync(5)).toBe(false);
  lock.reader.unlock();
  await after(5);
  expect(order).toEqual([]);
  lock.reader.unlock();
  await Promise.all([writes, reads]);
  expect(order).toEqual(['writes', 'has written', 'reads']);
  expect(lock.writer.tryLock()).toBe(true);
  expect([await lock.writer.lockAsync(5), await lock.reader.lockAsync(5)]).toEqual([false, false]);
  lock.writer.unlock();
});

test('a writer that gives up lets readers in', async () => {
  const lock = new RwLock(memory());
  expect(lock.reader.tryLock()).toBe(true);
  const gaveUp = lock.writer.lockAsync(30);
  const reads = lock.reader.lockAsync();
  expect([await gaveUp, await reads]).toEqual([false, true]);
});

test('a semaphore gives permits to so many functions', async () => {
  const shared = memory();
  const semaphore = new Semaphore(shared, 0, 2);
  expect([semaphore.tryAcquire(), await semaphore.acquireAsync(), semaphore.tryAcquire()]).toEqual([
    true,
    true,
    false,
  ]);
  expect(await new Semaphore(shared, 0, 2).acquireAsync(5)).toBe(false);
  const waits = semaphore.acquireAsync();
  expect(semaphore.taken).toBe(2);
  semaphore.release();
  expect(await waits).toBe(true);
  semaphore.release();
  semaphore.release();
  expect(semaphore.taken).toBe(0);
});

test('a condition is waited for with the mutex released, and had again', async () => {
  const shared = memory();
  const [mutex, filled] = [new Mutex(shared), new Condition(shared, 4)];
  const box = { items: 0 };
  const take = async (): Promise<void> => {
    await mutex.lockAsync();
    while (box.items === 0) await filled.waitAsync(mutex);
    box.items--;
    mutex.unlock();
  };
  const taken = Promise.all([take(), take()]);
  await setImmediate();
  await mutex.runAsync(() => void (box.items = 2));
  filled.notifyOne();
  filled.notifyOne();
  await taken;
  expect(box.items).toBe(0);
  await mutex.lockAsync();
  expect([await filled.waitAsync(mutex, 5), mutex.held]).toEqual([false, true]);
});

test('what is done once is done by one function, and again if that fails', async () => {
  const once = new Once(memory());
  const calls: string[] = [];
  const failure = new Error('not yet');
  const fails = once.runAsync(async () => {
    calls.push('fails');
    await setImmediate();
    throw failure;
  });
  const others = ['a', 'b'].map((name) => once.runAsync(() => void calls.push(name)));
  await expect(fails).rejects.toBe(failure);
  expect(await Promise.all(others)).toEqual([true, false]);
  expect(calls).toEqual(['fails', 'a']);
  expect([once.done, await once.runAsync(() => {})]).toEqual([true, false]);
});

test('a barrier opens when all have arrived, and who gives up is not counted', async () => {
  const barrier = new Barrier(memory(), 0, 3);
  expect(await barrier.waitAsync(5)).toBe(false);
  expect(barrier.arrived).toBe(0);
  const two = [barrier.waitAsync(), barrier.waitAsync()];
  expect(barrier.arrived).toBe(2);
  expect([await barrier.waitAsync(), ...(await Promise.all(two))]).toEqual([true, true, true]);
  expect(barrier.arrived).toBe(0);
});

test('stripes are mutexes by the lowest bits of a hash, each in a line of its own', () => {
  const words = new Int32Array(new SharedArrayBuffer(64 + StripedLock.bytes(4)));
  const locks = new StripedLock(words, 64, 4);
  expect([0, 1, 5, -1, 2 ** 31].map((hash) => locks.stripes.indexOf(locks.of(hash)))).toEqual([
    0, 1, 1, 3, 0,
  ]);
  expect(locks.of(6).tryLock()).toBe(true);
  expect(words.findIndex((word) => word !== 0)).toBe(16 + 2 * 16);
});

test('who waits for a lock keeps the thread alive, and who has it does not', async () => {
  const script = `
    import { Mutex } from 'wakeone/sync';
    const mutex = new Mutex(new SharedArrayBuffer(4));
    await mutex.lockAsync();
    setTimeout(() => mutex.unlock(), 100).unref();
    console.log(await mutex.lockAsync());`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: root });
  expect(stdout).toBe('true\n');
});
