/**
 * The limit on runnable workers, and handlers that block: how many handlers run at once, who takes over, which threads sleep
 * on. Scenarios 65, 66, 67.
 */
import { execFileSync } from 'node:child_process';
import { constants, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createPool } from 'wakeone';
import { blocking } from 'wakeone/worker';
import { describe, expect, it } from 'vitest';
import { openClient } from '../servers/client.ts';
import { afterTest, guardPools, listen, STRESS } from '../servers/pools.ts';
import { type Limits, Load, median, openLimits, Shared } from './limits-world.ts';

guardPools();

const ROUNDS = STRESS ? 200 : 15;

/**
 * No more handlers ran at once than may. On a machine that is very busy, a worker may rightly be found asleep: it waits for a lock
 * of the runtime that a thread without a CPU holds. Then one more is let in, until the next hint of that worker.
 */
function expectKept(limits: Limits, limit: number): void {
  const { blockedFound } = limits.pool.stats();
  expect(limits.read(Shared.MOST)).toBeGreaterThanOrEqual(limit);
  expect(limits.read(Shared.MOST)).toBeLessThanOrEqual(limit + blockedFound);
  expect(limits.read(Shared.OVER) / limits.read(Shared.STARTED)).toBeLessThan(blockedFound > 0 ? 0.15 : 1e-9);
}

function makeFifos(count: number): number[] {
  const folder = mkdtempSync(join(tmpdir(), 'wakeone-limits-'));
  afterTest(() => rmSync(folder, { recursive: true }));
  return Array.from({ length: count }, (_, i) => {
    const path = join(folder, `${i}`);
    execFileSync('mkfifo', [path]);
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    writeSync(fd, 'x');
    return fd;
  });
}

/** Threads that the kernel runs, or would run if it had a CPU. */
function runningNow(threads: readonly number[]): number {
  const states = threads.map((tid) => {
    const stat = readFileSync(`/proc/self/task/${tid}/stat`, 'latin1');
    return stat.charAt(stat.lastIndexOf(')') + 2);
  });
  return states.filter((state) => state === 'R').length;
}

describe('eight workers of which two may run', () => {
  it('run no more than two handlers at once, and the ones at the bottom sleep on', async () => {
    const limits = await openLimits({ minThreads: 8, concurrency: 2 });
    const load = await Load.begin(limits, 'spins', 16);
    const seen: number[] = [];
    const threads = limits.threads.filter((tid) => tid !== 0);
    expect(threads.length).toBe(8);
    // Workers that handled nothing in a while: on a busy machine one that was woken and has no CPU is relieved by the next, so
    // the best of several whiles counts.
    const idle: number[] = [];
    for (let round = 0; round < (STRESS ? 100 : 10); round++) {
      const before = limits.pool.stats().workers.map(({ handled }) => handled);
      const end = limits.read(Shared.STARTED) + 200;
      while (limits.read(Shared.STARTED) < end) {
        seen.push(runningNow(threads));
        await nextTurn();
      }
      idle.push(limits.pool.stats().workers.filter(({ handled }, i) => handled === before[i]).length);
    }
    await load.stop();
    expect(Math.max(...idle), idle.join()).toBeGreaterThanOrEqual(4);
    expectKept(limits, 2);
    // From outside a worker that is falling asleep or waking up is seen too.
    expect(median(seen), seen.join()).toBeLessThanOrEqual(2);
  });

  it('are over the limit only where one comes back, and not for long', async () => {
    const limits = await openLimits({ minThreads: 8, concurrency: 2 });
    const pauses = await Load.begin(limits, 'pauses', 16);
    await limits.reaches(Shared.STARTED, STRESS ? 10_000 : 1000, 'handlers');
    await pauses.stop();
    // More than two were under way: while one sleeps, another is let in. None was let in beside two that ran, but for those
    // that came back between the look at the limit and the start of the handler.
    expect(limits.read(Shared.OVER) / limits.read(Shared.STARTED)).toBeLessThan(0.15);
    limits.write(Shared.MOST, 0);
    limits.write(Shared.OVER, 0);
    const spins = await Load.begin(limits, 'spins', 16);
    const started = limits.read(Shared.STARTED);
    await limits.reaches(Shared.STARTED, started + 500, 'handlers');
    await spins.stop();
    expectKept(limits, 2);
  });
});

describe('a worker that blocks while work waits', () => {
  /** One worker may run. It blocks, and the time until a spare handles the other request is measured. */
  async function takeOvers(limits: Limits, handler: string, rounds = ROUNDS): Promise<number[]> {
    const blocked = await openClient(await listen(limits.pool, handler));
    const other = await openClient(await listen(limits.pool, 'spins'));
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const at of [Shared.GATE, Shared.BEGUN, Shared.SENT, Shared.BLOCKED]) limits.write(at, 0);
      const started = limits.read(Shared.STARTED);
      blocked.write('b');
      await limits.reaches(Shared.BEGUN, 1, 'the handler begins');
      other.write('o');
      limits.write(Shared.SENT, 1);
      await limits.reaches(Shared.BLOCKED, 1, 'the handler blocks');
      await limits.reaches(Shared.STARTED, started + 1, 'a spare takes over');
      expect((await other.read(1)).toString()).toBe('o');
      times.push(limits.takeOverMs);
      limits.write(Shared.GATE, 1);
      expect((await blocked.read(1)).toString()).toBe('b');
    }
    return times;
  }

  it('lets a spare in at once if it says so', async () => {
    const times = await takeOvers(await openLimits({ minThreads: 2, concurrency: 1 }), 'declares');
    expect(Math.min(...times), times.join()).toBeLessThan(1);
    expect(median(times), times.join()).toBeLessThan(5);
  });

  it('is found by the kernel state of its thread if it does not say so', async () => {
    const times = await takeOvers(await openLimits({ minThreads: 2, concurrency: 1 }), 'blocks');
    // Two ticks and a wake-up on a machine that has a CPU for each of them; this one may be busy.
    expect(Math.min(...times), times.join()).toBeLessThan(5);
    expect(median(times), times.join()).toBeLessThan(15);
  });

  it('is found while it waits for a program of a second', async () => {
    const times = await takeOvers(await openLimits({ minThreads: 2, concurrency: 1 }), 'runs', 3);
    expect(median(times), times.join()).toBeLessThan(500);
  });
});

it('a worker that finishes while work waits takes the next itself: fewer than one switch of threads per event', async () => {
  const limits = await openLimits({ minThreads: 2, concurrency: 2 });
  const fifos = makeFifos(8);
  // Never read, so always ready: the queue is never empty.
  for (const fd of fifos) limits.pool.add(fd, { handler: 'always', mode: 'edge', ownership: 'own' });
  await limits.reaches(Shared.EVENTS, 1000, 'events');
  const switches = (): number => limits.activity().reduce((sum, thread) => sum + (thread?.switches ?? 0), 0);
  const before = { events: limits.read(Shared.EVENTS), switches: switches() };
  await limits.reaches(Shared.EVENTS, before.events + (STRESS ? 1_000_000 : 50_000), 'events');
  const perEvent = (switches() - before.switches) / (limits.read(Shared.EVENTS) - before.events);
  expect(perEvent).toBeLessThan(0.2);
});

it('at a low rate the same worker serves all, and those that sleep use no CPU', async () => {
  const limits = await openLimits({ minThreads: 4, concurrency: 4 });
  const client = await openClient(await listen(limits.pool, 'spins'));
  const look = (): { parks: number; handled: number; ticks: number; switches: number }[] =>
    limits.pool.stats().workers.map(({ parks, handled, wakes }, worker) => {
      const thread = limits.activity()[worker];
      return {
        parks: parks + wakes,
        handled,
        ticks: thread?.ticks ?? 0,
        switches: thread?.switches ?? 0,
      };
    });
  const sleepers: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = look();
    for (let request = 0; request < 30; request++) {
      client.write('x');
      await client.read(1);
    }
    const change = look().map((now, i) => ({
      parks: now.parks - (before[i]?.parks ?? 0),
      handled: now.handled - (before[i]?.handled ?? 0),
      ticks: now.ticks - (before[i]?.ticks ?? 0),
      switches: now.switches - (before[i]?.switches ?? 0),
    }));
    const idle = change.filter(({ parks, handled }) => parks === 0 && handled === 0);
    // One that waits in the kernel for the others is not among them.
    sleepers.push(idle.filter(({ switches }) => switches === 0).length);
    for (const { switches, ticks } of idle) if (switches === 0) expect(ticks).toBe(0);
  }
  // All but the one that serves and, on a busy machine, one that relieved it.
  expect(median(sleepers), sleepers.join()).toBeGreaterThanOrEqual(2);
});

it('blocking() hands on what the function returns and throws, and takes no promises', async () => {
  const { pool } = await openLimits({ minThreads: 1 });
  const client = await openClient(await listen(pool, 'rules'));
  client.write('?');
  expect(JSON.parse((await client.rest()).toString())).toEqual([
    'value',
    'RangeError mine',
    'nested',
    'TypeError ERR_WAKEONE_INVALID_ARGUMENT',
    'TypeError ERR_WAKEONE_INVALID_ARGUMENT',
    'TypeError ERR_WAKEONE_INVALID_ARGUMENT',
  ]);
});

it('blocking() outside of a worker calls the function', () => {
  expect(blocking(() => 7)).toBe(7);
  expect(() => blocking(undefined as never)).toThrow(
    expect.objectContaining({ code: 'ERR_WAKEONE_INVALID_ARGUMENT' }),
  );
});

describe('a limit that is changed while the pool runs', () => {
  it('lets more in when it is raised, and fewer when it is lowered', async () => {
    const limits = await openLimits({ minThreads: 4, concurrency: 1 });
    limits.write(Shared.SPIN_US, 1000);
    const load = await Load.begin(limits, 'spins', 8);
    for (const limit of STRESS ? [1, 4, 2, 3, 1, 4, 1] : [1, 4, 2, 1]) {
      limits.pool.concurrency = limit;
      expect(limits.pool.concurrency).toBe(limit);
      limits.write(Shared.LIMIT, 4);
      // Handlers that ran when it was set have ended when each of the others has had several turns.
      await limits.reaches(Shared.STARTED, limits.read(Shared.STARTED) + 40, 'handlers');
      limits.write(Shared.LIMIT, limit);
      limits.write(Shared.OVER, 0);
      limits.write(Shared.MOST, 0);
      await limits.reaches(Shared.MOST, limit, `${limit} handlers at once`);
      await limits.reaches(Shared.STARTED, limits.read(Shared.STARTED) + 100, 'handlers');
      expectKept(limits, limit);
    }
    await load.stop();
  });

  it('takes integers from 1 to the number of threads only', async () => {
    const { pool } = await openLimits({ minThreads: 4, concurrency: 2 });
    for (const wrong of [0, -1, 5, 1.5, Number.NaN, '2', undefined, null]) {
      expect(() => {
        pool.concurrency = wrong as number;
      }, String(wrong)).toThrow(expect.objectContaining({ code: 'ERR_WAKEONE_INVALID_OPTION' }));
      expect(pool.concurrency).toBe(2);
    }
  });

  it.each([0, 33, 1.5, Number.NaN])('cannot begin at %s', async (concurrency) => {
    const handlers = new URL('handlers/limits.mjs', import.meta.url);
    await expect(createPool({ handlers, concurrency })).rejects.toMatchObject({
      code: 'ERR_WAKEONE_INVALID_OPTION',
    });
  });
});
