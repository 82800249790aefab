/** Memory that the threads of a pool share by name, and what becomes of a lock in it when a thread dies. */
import { Mutex } from 'wakeone/sync';
import { describe, expect, it } from 'vitest';
import { until } from './deadline.ts';
import { Guest } from './guest.ts';
import { guardPools, openPool, type World } from './pools.ts';

guardPools();

const READY = 1;
const DONE = 2;
const GATE = 3;
const INTRUDERS = 4;
/** Workers that have run `init`. */
const STARTS = 8;

function counts({ pool }: World): Int32Array {
  const bytes = pool.shared('counts', 64);
  return new Int32Array(bytes.buffer, bytes.byteOffset, 16);
}

const refused = (code: string): Error => expect.objectContaining({ code }) as Error;

describe('memory that has a name', () => {
  it('is the same for the main thread and all workers, zero at first, and in `init` at once', async () => {
    const world = await openPool('shared', { minThreads: 3 });
    const words = counts(world);
    expect([...words]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    expect(world.pool.shared('counts')).toBe(world.pool.shared('counts', 64));
    expect(words.byteOffset % 64).toBe(0);
    world.pool.post('asks', 5);
    expect(await world.journal.until('asked')).toMatchObject([{ same: true, value: 5 }]);
  });

  it('is made by whoever asks first, the main thread too', async () => {
    const { pool } = await openPool('shared');
    const other = pool.shared('mine', 1000);
    expect([other.length, other.every((byte) => byte === 0)]).toEqual([1000, true]);
    const guest = await Guest.attachedTo(pool);
    other[999] = 7;
    expect(await guest.order('read', ['mine', 999])).toBe(7);
    expect(await guest.order('shared', ['theirs', 5])).toBe(5);
    await guest.order('write', ['theirs', 4, 9]);
    expect([...pool.shared('theirs')]).toEqual([0, 0, 0, 0, 9]);
    await expect(guest.order('shared', ['theirs', 6])).rejects.toThrow('ERR_WAKEONE_SHARED_LENGTH');
    await guest.order('detach');
    await expect(guest.order('shared', ['theirs'])).rejects.toThrow('ERR_WAKEONE_DETACHED');
  });

  it('is refused in a typed way', async () => {
    const { pool, journal } = await openPool('shared', { sharedMemory: 4096 });
    for (const name of ['', 'é'.repeat(33), 'x'.repeat(65), 5, undefined])
      expect(() => pool.shared(name as string, 8)).toThrow(refused('ERR_WAKEONE_INVALID_ARGUMENT'));
    for (const length of [0, -1, 1.5, Number.NaN, '8', null, Infinity, 2n])
      expect(() => pool.shared('counts', length as number)).toThrow(refused('ERR_WAKEONE_INVALID_ARGUMENT'));
    expect(() => pool.shared('new', 4097)).toThrow(refused('ERR_WAKEONE_SHARED_EXHAUSTED'));
    expect(() => pool.shared('new')).toThrow(refused('ERR_WAKEONE_UNKNOWN_SHARED'));
    expect(() => pool.shared('counts', 63)).toThrow(refused('ERR_WAKEONE_SHARED_LENGTH'));
    expect(pool.shared('new', 4096 - 64)).toHaveLength(4032);
    expect(() => pool.shared('more', 1)).toThrow(/0 are left \(option sharedMemory\)/);
    pool.post('errors', 0);
    expect(await journal.until('errors')).toMatchObject([
      {
        codes: [
          'ERR_WAKEONE_UNKNOWN_SHARED',
          'ERR_WAKEONE_SHARED_LENGTH',
          'ERR_WAKEONE_INVALID_ARGUMENT',
          'ERR_WAKEONE_INVALID_ARGUMENT',
          'ERR_WAKEONE_SHARED_EXHAUSTED',
          'ERR_WAKEONE_SHARED_EXHAUSTED',
        ],
      },
    ]);
  });

  it('belongs to one pool, and outlives it', async () => {
    const [one, other] = [await openPool('shared'), await openPool('shared')];
    one.pool.shared('own', 8).fill(1);
    expect(other.pool.shared('own', 8).every((byte) => byte === 0)).toBe(true);
    await one.pool.close();
    expect([...one.pool.shared('own')]).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
  });
});

describe('a lock in it', () => {
  it('keeps handlers of all workers apart', async () => {
    const world = await openPool('shared', { minThreads: 4, concurrency: 4 });
    for (let i = 0; i < 20; i++) world.pool.post('counts', 500);
    await world.journal.untilCounted(DONE, 20);
    expect(counts(world).slice(0, 3)).toEqual(Int32Array.of(0, 10_000, 10_000));
    expect(world.journal.counted(INTRUDERS)).toBe(0);
  });

  it('is the next one’s when a worker dies that has it, who is told; its successor shares the memory', async () => {
    const world = await openPool('shared', { minThreads: 3, concurrency: 3 });
    const { pool, journal } = world;
    const words = counts(world);
    const exits: Error[] = [];
    pool.on('workerExit', (error) => exits.push(error));
    pool.on('claimLost', () => {});
    pool.post('dies', 1);
    await until(() => exits.length > 0, 'the death');
    expect([words[1], words[2]]).toEqual([1, 0]);
    pool.post('blocks', 1);
    expect(await journal.until('had')).toMatchObject([{ ownerDied: true }]);
    await journal.untilCounted(DONE, 1);
    expect(words.slice(0, 3)).toEqual(Int32Array.of(0, 1, 1));
    await until(() => words[STARTS] === 4, 'the worker in its place');
    pool.post('blocks', 1);
    expect(await journal.until('had', 2)).toMatchObject([{}, { ownerDied: false }]);
  });

  it('is the next one’s also if that sleeps already, or waits asynchronously', async () => {
    const world = await openPool('shared', { minThreads: 3, concurrency: 3 });
    const { pool, journal } = world;
    pool.on('workerExit', () => {});
    pool.on('claimLost', () => {});
    const mutex = new Mutex(pool.shared('counts'));
    const guest = await Guest.attachedTo(pool);
    expect(await guest.order('lock', ['counts', 0])).toBe(true);
    pool.post('blocks', 1);
    pool.post('waits', 1);
    await journal.untilCounted(READY, 2);
    const waits = mutex.lockAsync();
    expect(mutex.tryLock()).toBe(false);
    guest.tell('exit', 3);
    await guest.ended;
    const from = performance.now();
    expect(await waits).toBe(true);
    const told = mutex.ownerDied;
    mutex.unlock();
    await journal.untilCounted(DONE, 2);
    // The first of the three, whoever that was.
    const allTold = [told, ...journal.all('had').map((entry) => entry['ownerDied'])];
    expect(allTold.filter((one) => one === true)).toHaveLength(1);
    expect(performance.now() - from).toBeLessThan(2000);
    expect(mutex.tryLock()).toBe(true);
    mutex.unlock();
  });

  it('that the main thread waits for does not stop it', async () => {
    const world = await openPool('shared');
    const mutex = new Mutex(world.pool.shared('counts'));
    world.pool.post('holds', 1);
    await world.journal.untilCounted(READY, 1);
    expect(mutex.tryLock()).toBe(false);
    expect(() => mutex.lock()).toThrow(refused('ERR_WAKEONE_MAIN_THREAD'));
    expect(() => mutex.unlock()).toThrow(refused('ERR_WAKEONE_LOCK_NOT_HELD'));
    expect(await mutex.lockAsync(60)).toBe(false);
    const had = mutex.lockAsync();
    world.journal.set(GATE, 1);
    expect(await had).toBe(true);
    expect([mutex.held, mutex.ownerDied]).toEqual([true, false]);
    world.pool.post('waits', 1);
    await world.journal.untilCounted(READY, 2);
    mutex.unlock();
    expect(await world.journal.until('had')).toMatchObject([{ ownerDied: false }]);
  });
});
