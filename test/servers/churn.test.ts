/**
 * Registrations that come, are triggered and go while several threads do that to the same descriptors, for each kind of source:
 * each has one last delivery and none after its end, and nothing adds up. Scenarios 31, 59 (triggers that race the end, from
 * other threads) and 39 for memory.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { openNative } from '../../src/native/index.ts';
import { pipe, setTimer, socketPair, timerfd, write } from '../support/libc.ts';
import { until, within } from './deadline.ts';
import { Guest, Shared } from './guest.ts';
import { afterTest, guardPools, openPool, STRESS } from './pools.ts';

guardPools();

const LATE = 5;
const LASTS = 6;
const DELIVERIES = 7;
const VALUES = 8;

const THREADS = 3;
const FDS = 2;
const ADDS = STRESS ? 100_000 : 600;
const MIB = 1 << 20;

const native = openNative();

/** Makes a descriptor; says how it is fired. */
const SOURCES: Readonly<Record<string, () => readonly [fd: number, fire: () => void, ...others: number[]]>> =
  {
    eventfd: () => {
      const fd = native.eventfd();
      return [fd, () => void native.signal(fd)];
    },
    pipe: () => {
      const [fd, writer] = pipe();
      return [fd, () => void write(writer, Buffer.from('x')), writer];
    },
    'AF_UNIX stream': () => {
      const [fd, peer] = socketPair();
      return [fd, () => void write(peer, Buffer.from('x')), peer];
    },
    timerfd: () => {
      const fd = timerfd();
      return [fd, () => setTimer(fd, 1)];
    },
  };

function collectedHeap(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

const KINDS = Object.keys(SOURCES).flatMap((name) => [[name, 'oneshot'] as const, [name, 'edge'] as const]);

it.each(KINDS)('%s in %s mode', async (name, mode) => {
  const ended = new SharedArrayBuffer(4 * (1 << 16));
  const { pool, journal } = await openPool('attached', { minThreads: 3, workerData: { ended } });
  const sources = Array.from({ length: FDS }, () => {
    const made = SOURCES[name]?.();
    if (made === undefined) throw new Error(name);
    return made;
  });
  afterTest(() => {
    for (const [fd, , ...others] of sources) for (const open of [fd, ...others]) native.close(open);
  });
  const guests = await Promise.all(Array.from({ length: THREADS }, () => Guest.attachedTo(pool)));
  const fds = sources.map(([fd]) => fd);
  const added = (): number => guests.reduce((sum, { words }) => sum + Atomics.load(words, Shared.ADDS), 0);
  const done = guests.map((guest, i) => guest.order('addAndEnd', { fds, mode, seed: i + 1, ended }, 600_000));
  const fireUntil = async (count: number): Promise<void> => {
    await until(
      () => {
        for (const [, fire] of sources) fire();
        return added() >= count;
      },
      () => `${added()} of ${count}; ${JSON.stringify(pool.stats())}`,
      STRESS ? 600_000 : 30_000,
    );
  };
  await fireUntil(ADDS / 3);
  const before = collectedHeap();
  await fireUntil(ADDS);
  for (const { words } of guests) Atomics.store(words, Shared.STOP, 1);
  await within(Promise.all(done), 'the end of the Workers’ loops');
  expect(journal.counted(LASTS)).toBe(added());
  expect(journal.counted(LATE)).toBe(0);
  expect(journal.counted(DELIVERIES)).toBeGreaterThan(0);
  expect(pool.stats().registered).toBe(0);
  expect(collectedHeap() - before).toBeLessThan(MIB);
});

it('timers', async () => {
  const { pool, journal } = await openPool('attached', { minThreads: 3, maxSources: 16 });
  const guests = await Promise.all(Array.from({ length: THREADS }, () => Guest.attachedTo(pool)));
  const started = (): number =>
    guests.reduce((sum, { words }) => sum + Atomics.load(words, Shared.STARTED), 0);
  const done = guests.map((guest, i) =>
    guest.order('addAndEnd', { seed: i + 1, timers: true, ended: new SharedArrayBuffer(4) }, 600_000),
  );
  await until(() => started() >= ADDS, 'many timers', STRESS ? 600_000 : 30_000);
  for (const { words } of guests) Atomics.store(words, Shared.STOP, 1);
  await within(Promise.all(done), 'the end of the Workers’ loops');
  // At most one each: none had two periods.
  expect(journal.counted(VALUES)).toBeLessThanOrEqual(started());
  expect(pool.stats().registered).toBe(0);
});

it('user events: each post is delivered, before the end or with it, or refused', async () => {
  const { pool, journal } = await openPool('attached', { minThreads: 3, maxSources: 4 });
  const guests = await Promise.all(Array.from({ length: THREADS }, () => Guest.attachedTo(pool)));
  const done = guests.map((guest) => guest.order('postToAll', undefined, 600_000));
  const rounds = STRESS ? 20_000 : 300;
  for (let round = 1; round <= rounds; round++) {
    const event = pool.userEvent({ handler: 'churned', merge: 'add', name: 'comes and goes' });
    // One delivery at least, so that all come to their turn.
    if (round % 2 === 0) {
      const before = journal.counted(DELIVERIES);
      await until(() => journal.counted(DELIVERIES) > before, 'a delivery');
    }
    await within(event.teardown(), 'the end');
    expect(journal.counted(LASTS)).toBe(round);
  }
  for (const { words } of guests) Atomics.store(words, Shared.STOP, 1);
  const posted = (await Promise.all(done)) as number[];
  expect(journal.counted(VALUES)).toBe(posted.reduce((sum, count) => sum + count, 0));
  expect(pool.stats().registered).toBe(0);
});
