/** What a thread held that was terminated is the next one's, once its end is known. Of pools' threads: test/servers/shared.test.ts. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Mutex, Once, RwLock, Semaphore, threadDied } from 'wakeone/sync';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

let memory: SharedArrayBuffer;
let worker: Worker;

beforeEach(() => {
  memory = new SharedArrayBuffer(1024);
});

afterEach(() => worker.terminate());

/** Starts a Worker that takes something; returns when it has it. */
async function taken(what: string): Promise<void> {
  worker = new Worker(new URL('deaths-worker.mjs', import.meta.url), { workerData: { memory, what } });
  await once(worker, 'message');
}

/** Terminates it, and says so. */
async function dies(): Promise<void> {
  const { threadId } = worker;
  await worker.terminate();
  threadDied(threadId);
}

describe('a Worker that was terminated leaves', () => {
  test('its mutex, to somebody who waits, with a mark that stays until all is in order', async () => {
    await taken('mutex');
    const mutex = new Mutex(memory);
    expect([mutex.tryLock(), await mutex.lockAsync(60)]).toEqual([false, false]);
    const waits = mutex.lockAsync();
    await dies();
    expect([await waits, mutex.held, mutex.ownerDied]).toEqual([true, true, true]);
    mutex.unlock();
    expect(mutex.ownerDied).toBe(false);
  });

  test('its mutex damaged as long as functions throw', async () => {
    await taken('mutex');
    const mutex = new Mutex(memory);
    await dies();
    const told: boolean[] = [];
    const fails = (ownerDied: boolean): never => {
      told.push(ownerDied);
      throw new Error('cannot');
    };
    await expect(mutex.runAsync(fails)).rejects.toThrow('cannot');
    await expect(mutex.runAsync(fails)).rejects.toThrow('cannot');
    await mutex.runAsync((ownerDied) => told.push(ownerDied));
    await mutex.runAsync((ownerDied) => told.push(ownerDied));
    expect(told).toEqual([true, true, true, false]);
  });

  test('no trace as a reader', async () => {
    await taken('reader');
    const { reader, writer } = new RwLock(memory);
    expect([reader.tryLock(), writer.tryLock()]).toEqual([true, false]);
    reader.unlock();
    const waits = writer.lockAsync();
    await dies();
    expect([await waits, writer.ownerDied]).toEqual([true, false]);
  });

  test('a mark as a writer, that readers see and a writer takes away', async () => {
    await taken('writer');
    const { reader, writer } = new RwLock(memory);
    const reads = reader.lockAsync();
    await dies();
    expect([await reads, reader.ownerDied]).toEqual([true, true]);
    reader.unlock();
    expect(writer.tryLock()).toBe(true);
    expect(writer.ownerDied).toBe(true);
    writer.unlock();
    expect(reader.ownerDied).toBe(false);
  });

  test('its permit', async () => {
    await taken('permit');
    const semaphore = new Semaphore(memory, 0, 1);
    expect([semaphore.tryAcquire(), semaphore.taken]).toEqual([false, 1]);
    const waits = semaphore.acquireAsync();
    await dies();
    expect([await waits, semaphore.taken]).toEqual([true, 1]);
  });

  test('what it was to do once', async () => {
    await taken('once');
    const calls: string[] = [];
    const waits = new Once(memory).runAsync(() => void calls.push('done'));
    await dies();
    expect([await waits, calls]).toEqual([true, ['done']]);
  });
});

test('a Worker of which nobody says that it has ended has its lock for ever', async () => {
  await taken('mutex');
  await worker.terminate();
  const mutex = new Mutex(memory);
  expect([mutex.tryLock(), await mutex.lockAsync(120)]).toEqual([false, false]);
});
