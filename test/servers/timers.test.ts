/**
 * Timers that stand alone, on real threads. Scenarios 53 (very many, cancelled at random; never early; bad values), 54 (a
 * slow handler: what it misses is one delivery with a count), 56 (a cancel that races the expiry from another thread), 105
 * (a timer's handler tears down a connection whose handler runs).
 */
import { describe, expect, it } from 'vitest';
import type { Pool, Timer } from 'wakeone';
import { openClient } from './client.ts';
import { until, within } from './deadline.ts';
import { guardPools, listen, openPool, STRESS } from './pools.ts';
import { Random } from '../scenarios/support/random.ts';

guardPools();

const FIRED = 1;
const EARLY = 2;
const TWICE = 3;
const GATE = 4;
const OVERLAP = 6;
const PERIODS = 7;
const NS_PER_MS = 1_000_000n;
const LONGEST = 2 ** 30;
const refused = (code: string): Error => expect.objectContaining({ code }) as Error;
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** What the handler `fired` keeps for each of `count` timers: the moment before which it must not run, and when it ran. */
class Table {
  readonly memory: SharedArrayBuffer;
  readonly #moments: BigInt64Array;

  constructor(count: number) {
    this.memory = new SharedArrayBuffer(count * 16);
    this.#moments = new BigInt64Array(this.memory);
  }

  /** Starts timer `i`; what it must not be earlier than is known before it can be started. */
  start(pool: Pool, i: number, options: { readonly afterMs: number }): Timer {
    this.moveTo(i, options.afterMs);
    return pool.timer({ handler: 'fired', cookie: i, ...options });
  }

  moveTo(i: number, afterMs: number): void {
    this.#moments[i * 2] = process.hrtime.bigint() + BigInt(afterMs) * NS_PER_MS;
  }

  hasFired(i: number): boolean {
    return this.#moments[i * 2 + 1] !== 0n;
  }

  latenessMs(i: number): number {
    return Number((this.#moments[i * 2 + 1] ?? 0n) - (this.#moments[i * 2] ?? 0n)) / 1e6;
  }
}

describe('a timer', () => {
  it.each([1, 3])(
    'in a pool of %i threads is delivered once, not before its time, and is over then',
    async (minThreads) => {
      const table = new Table(8);
      const { pool, journal } = await openPool('timers', { minThreads, workerData: { table: table.memory } });
      for (const [i, afterMs] of [1, 2, 10, 50, 1].entries()) {
        const timer = table.start(pool, i, { afterMs });
        expect(timer.active).toBe(true);
        await within(timer.ended(), 'the end');
        expect(timer.active).toBe(false);
        expect(journal.counted(FIRED)).toBe(i + 1);
        expect(() => timer.reset(1)).toThrow(refused('ERR_WAKEONE_STALE_REGISTRATION'));
      }
      expect([journal.counted(EARLY), journal.counted(TWICE)]).toEqual([0, 0]);
      expect(pool.stats().registered).toBe(0);
    },
  );

  it('of very many, cancelled at random, is delivered exactly if it was not cancelled, and never early (53)', async () => {
    const count = STRESS ? 100_000 : 8000;
    const random = new Random();
    const table = new Table(count);
    const { pool, journal } = await openPool('timers', {
      maxSources: 2 ** 17,
      workerData: { table: table.memory },
    });
    const timers = Array.from({ length: count }, (_, i) =>
      table.start(pool, i, { afterMs: 1 + random.below(STRESS ? 10_000 : 1500) }),
    );
    const cancelled = new Map<number, boolean>();
    const ends: Promise<void>[] = [];
    for (let n = 0; n < count / 3; n++) {
      const i = random.below(count);
      if (cancelled.has(i)) continue;
      cancelled.set(i, false);
      ends.push(
        (timers[i] as Timer).cancel().then(() => {
          cancelled.set(i, table.hasFired(i));
        }),
      );
      if (n % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await within(Promise.all(ends), 'all cancelled', 60_000);
    await within(Promise.all(timers.map((timer) => timer.ended())), 'the others', 60_000);
    expect(journal.counted(EARLY)).toBe(0);
    expect(journal.counted(TWICE)).toBe(0);
    const fired = timers.flatMap((_, i) => (table.hasFired(i) ? [i] : []));
    expect(fired.length).toBe(journal.counted(FIRED));
    // No delivery after the cancel was over; one for each that was not cancelled.
    for (const [i, before] of cancelled) expect(table.hasFired(i)).toBe(before);
    for (let i = 0; i < count; i++) if (!cancelled.has(i)) expect(table.hasFired(i)).toBe(true);
    expect(cancelled.size).toBeGreaterThan(count / 5);
    expect([...cancelled.values()].filter((before) => !before).length).toBeGreaterThan(0);
    expect(median(fired.map((i) => table.latenessMs(i)))).toBeLessThan(100);
    expect(pool.stats().registered).toBe(0);
  });

  it('that is reset is delivered at its new time only, sooner or later', async () => {
    const table = new Table(400);
    const { pool, journal } = await openPool('timers', { workerData: { table: table.memory } });
    const timers = Array.from({ length: 400 }, (_, i) =>
      table.start(pool, i, { afterMs: i % 2 === 0 ? LONGEST : 1000 }),
    );
    for (let round = 0; round < 5; round++)
      for (const timer of timers) timer.reset(round % 2 === 0 ? LONGEST : 900);
    for (const [i, timer] of timers.entries()) {
      const afterMs = 1 + (i % 100);
      table.moveTo(i, afterMs);
      timer.reset(afterMs);
    }
    await within(Promise.all(timers.map((timer) => timer.ended())), 'all');
    expect([journal.counted(FIRED), journal.counted(EARLY), journal.counted(TWICE)]).toEqual([400, 0, 0]);
    expect(median(timers.map((_, i) => table.latenessMs(i)))).toBeLessThan(100);
  });

  it('pushed ahead again and again is not delivered before it is left alone', async () => {
    const table = new Table(1);
    const { pool, journal } = await openPool('timers', { workerData: { table: table.memory } });
    const timer = table.start(pool, 0, { afterMs: 30 });
    const from = performance.now();
    // A round that takes longer than the timer is the machine's: then it may have been delivered.
    let longest = 0;
    for (let last = from; performance.now() - from < 300;) {
      await new Promise((resolve) => setImmediate(resolve));
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
      if (longest >= 30) break;
      table.moveTo(0, 30);
      timer.reset(30);
    }
    if (longest < 30) expect(journal.counted(FIRED)).toBe(0);
    await within(timer.ended(), 'the end');
    expect([journal.counted(FIRED), journal.counted(EARLY)]).toEqual([1, 0]);
  });

  it('that is reset in its own handler goes on', async () => {
    const { pool, journal } = await openPool('timers');
    const timer = pool.timer({ handler: 'again', afterMs: 1 });
    await within(timer.ended(), 'the end');
    expect(journal.all('told').map(({ value }) => value)).toEqual([1, 1, 1]);
  });

  it('is started and found in workers as well, in a pool of one thread too', async () => {
    const { pool, journal } = await openPool('timers', { minThreads: 1 });
    const from = Number(process.hrtime.bigint()) / 1e6;
    pool.post('starts', 7);
    const [told] = await journal.until('told');
    expect(told).toMatchObject({ value: 1, cookie: '99', last: false });
    expect(Number(told?.['at']) - from).toBeGreaterThanOrEqual(7);
    await until(() => pool.stats().registered === 0, 'its end');
  });

  it('ends with its pool, without a delivery', async () => {
    const { pool, journal } = await openPool('timers');
    const timers = [
      pool.timer({ handler: 'told', everyMs: LONGEST }),
      pool.timer({ handler: 'told', afterMs: LONGEST }),
    ];
    await within(pool.close(), 'close', 5000);
    await Promise.all(timers.map((timer) => timer.ended()));
    expect(journal.all('told')).toEqual([]);
    expect(() => pool.timer({ handler: 'told', afterMs: 1 })).toThrow(refused('ERR_WAKEONE_POOL_CLOSED'));
  });
});

describe('a periodic timer', () => {
  it('keeps its beat, never ahead of it', async () => {
    const { pool, journal } = await openPool('timers');
    const from = Number(process.hrtime.bigint()) / 1e6;
    const timer = pool.timer({ handler: 'told', everyMs: 10, afterMs: 25 });
    await journal.until('told', 20);
    await timer.cancel();
    let periods = 0;
    for (const { at, value } of journal.all('told')) {
      periods += value as number;
      expect((at as number) - from).toBeGreaterThanOrEqual(25 + (periods - 1) * 10);
    }
    expect(periods).toBeGreaterThanOrEqual(20);
  });

  it.each(['held', 'heldAsync'])(
    'whose handler is slow (%s) gets what it missed as one delivery with a count (54)',
    async (handler) => {
      const { pool, journal } = await openPool('timers', { minThreads: 3 });
      const from = performance.now();
      const timer = pool.timer({ handler, everyMs: 2 });
      await journal.until('told');
      const begun = performance.now();
      if (handler === 'held') {
        await until(() => performance.now() - begun > 60, 'some time');
        journal.set(GATE, 1);
      }
      const [, second] = await journal.until('told', 2);
      // 60 ms are 30 periods; the first of them may have begun before the handler.
      expect(second?.['value']).toBeGreaterThanOrEqual(25);
      await timer.cancel();
      const values = journal.all('told').map(({ value }) => value as number);
      expect(journal.counted(OVERLAP)).toBe(0);
      expect(journal.counted(PERIODS)).toBe(values.reduce((sum, value) => sum + value, 0));
      // No more periods than time.
      expect(journal.counted(PERIODS) * 2).toBeLessThanOrEqual(performance.now() - from);
    },
  );

  it('goes on after its handler has thrown, and ends itself', async () => {
    const { pool, journal } = await openPool('timers');
    const errors: unknown[] = [];
    pool.on('handlerError', (error) => errors.push(error));
    const throws = pool.timer({ handler: 'throws', everyMs: 1 });
    await journal.until('told', 3);
    await throws.cancel();
    await until(() => errors.length >= 3, 'reports');
    const three = pool.timer({ handler: 'three', everyMs: 1, cookie: 3 });
    await within(three.ended(), 'the end');
    expect(journal.all('told').filter(({ cookie }) => cookie === '3').length).toBe(3);
  });

  it('goes on when a worker dies in its handler, and that is told', async () => {
    const { pool, journal } = await openPool('timers');
    const lost: string[] = [];
    let deaths = 0;
    pool.on('claimLost', ({ handler }) => lost.push(handler));
    pool.on('workerExit', () => deaths++);
    const timer = pool.timer({ handler: 'dies', everyMs: 5 });
    await journal.until('told', 5);
    await timer.cancel();
    expect([lost, deaths]).toEqual([['dies'], 1]);
  });
});

it('a cancel that races the expiry from another thread has exactly one outcome (56)', async () => {
  const rounds = STRESS ? 5000 : 300;
  const table = new Table(rounds);
  const { pool, journal } = await openPool('timers', { minThreads: 3, workerData: { table: table.memory } });
  const atEnd: boolean[] = [];
  for (let i = 0; i < rounds; i++) {
    const timer = table.start(pool, i, { afterMs: 1 + (i % 3) });
    const { source, generation } = timer.id;
    const startedAt = performance.now();
    // A wait that is only there to bring the two together; both outcomes are right.
    while (performance.now() - startedAt < (i % 40) / 10);
    pool.post('cancels', source + generation / 2 ** 20);
    await within(timer.ended(), 'the end');
    atEnd.push(table.hasFired(i));
  }
  await journal.untilCounted(PERIODS, rounds);
  expect(atEnd).toEqual(Array.from({ length: rounds }, (_, i) => table.hasFired(i)));
  expect([journal.counted(EARLY), journal.counted(TWICE)]).toEqual([0, 0]);
  expect(new Set(atEnd)).toEqual(new Set([true, false]));
});

it('a timer’s handler tears down a connection whose handler runs: that finishes, the last delivery follows (105)', async () => {
  const { pool, journal } = await openPool('timers', { minThreads: 2 });
  const client = await openClient(await listen(pool, 'connection'));
  const [opened] = await journal.until('open');
  client.write('answer');
  await journal.until('begins');
  const cookie = (BigInt(opened?.['generation'] as number) << 32n) | BigInt(opened?.['fd'] as number);
  pool.timer({ handler: 'forces', afterMs: 1, cookie });
  await journal.until('forced');
  // The handler still runs: nothing has ended.
  expect(journal.all('close')).toEqual([]);
  journal.set(GATE, 1);
  const [closed] = await journal.until('close');
  expect(closed).toMatchObject({ type: 'teardown', detail: 5 });
  expect(journal.entries.map(({ on }) => on).filter((on) => on !== 'open')).toEqual([
    'begins',
    'forced',
    'finishes',
    'close',
  ]);
  expect((await client.rest()).toString()).toBe('answer');
});

it('times that are none are refused with typed errors, and nothing is made (53)', async () => {
  const { pool } = await openPool('timers', { maxSources: 2 });
  const make = (options: object) => () => pool.timer({ handler: 'told', ...options });
  const none = [0, -1, -LONGEST, 1.5, LONGEST + 1, 2 ** 31, 2 ** 53, Infinity, Number.NaN, '5', null, 5n];
  for (const value of none) {
    expect(make({ afterMs: value })).toThrow(refused('ERR_WAKEONE_INVALID_OPTION'));
    expect(make({ everyMs: value })).toThrow(refused('ERR_WAKEONE_INVALID_OPTION'));
    expect(make({ everyMs: 5, afterMs: value })).toThrow(refused('ERR_WAKEONE_INVALID_OPTION'));
  }
  expect(make({})).toThrow(refused('ERR_WAKEONE_INVALID_OPTION'));
  expect(make({ afterMs: 1, after: 1 })).toThrow(refused('ERR_WAKEONE_INVALID_OPTION'));
  expect(make({ afterMs: 1, cookie: -1 })).toThrow(refused('ERR_WAKEONE_INVALID_OPTION'));
  expect(make({ afterMs: 1, handler: 'nobody' })).toThrow(refused('ERR_WAKEONE_UNKNOWN_HANDLER'));
  expect(make({ afterMs: 1, handler: 'connection' })).toThrow(refused('ERR_WAKEONE_HANDLER_KIND'));
  expect(pool.stats().registered).toBe(0);
  const timer = pool.timer({ handler: 'told', afterMs: LONGEST });
  for (const value of none)
    expect(() => timer.reset(value as number)).toThrow(refused('ERR_WAKEONE_INVALID_ARGUMENT'));
  pool.userEvent({ handler: 'told' });
  expect(make({ afterMs: 1 })).toThrow(refused('ERR_WAKEONE_SOURCES_EXHAUSTED'));
  await timer.cancel();
  await timer.cancel();
  expect(pool.stats().registered).toBe(1);
});
