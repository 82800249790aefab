/**
 * The timekeeper over a pool without threads and a clock of the test's: what is due is asked for, what was pushed ahead is
 * not, nothing is early however late the ticks come, and a rest is as long as it may be. Scenarios 51, 52, 53, 55.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { MonitorState } from '../../src/reactor/dispatcher.ts';
import { Monitor, type MonitorTime } from '../../src/reactor/monitor.ts';
import { blindWatch } from '../../src/reactor/sleepers.ts';
import { USUAL_MS } from '../../src/reactor/stretches.ts';
import { Timekeeper } from '../../src/reactor/timekeeper.ts';
import { Clock } from '../../src/slots/clock.ts';
import { Word } from '../../src/slots/layout.ts';
import { Kind, Trait } from '../../src/slots/record.ts';
import { NO_LIMITS, Timeouts } from '../../src/slots/timeouts.ts';
import { Flag, flagsOf, State } from '../../src/slots/word.ts';
import { armed, type FakePool, makeFakePool, rawFd, takeAll } from '../fake-pool.ts';
import { Random } from '../scenarios/support/random.ts';

const NEVER = Number.POSITIVE_INFINITY;

let pool: FakePool;
let now: number;
let timeouts: Timeouts;
let keeper: Timekeeper;

beforeEach(() => {
  now = 1000;
  pool = makeFakePool();
  const { memory } = pool;
  memory.words[Word.ORIGIN_LO] = 0;
  memory.words[Word.ORIGIN_HI] = 0;
  timeouts = new Timeouts(
    memory.port,
    memory.layout,
    new Clock(memory.words, () => {
      const read = BigInt(Math.round(now * 1e6));
      now += lostMs;
      lostMs = 0;
      return read;
    }),
  );
  Object.defineProperty(memory, 'timeouts', { value: timeouts });
  keeper = new Timekeeper(pool.dispatcher, timeouts);
});

/** The thread loses its CPU for so long between its next two looks at the clock. */
let lostMs = 0;

/** An armed descriptor with these limits. */
function add(limits: Partial<typeof NO_LIMITS>): number {
  const fd = pool.native.eventfd();
  armed(pool, fd, { ...rawFd, limits: { ...NO_LIMITS, ...limits } });
  return fd;
}

function tick(to: number): boolean {
  now = to;
  return keeper.run();
}

/** Claims what is asked for, as workers do; the slots and what was taken with them. */
function asked(): number[] {
  return takeAll(pool).map((hint) => {
    const claimed = pool.memory.slots.claim(hint - 1, pool.memory.me);
    expect(flagsOf(claimed)).toBe(Flag.TIMER);
    return hint - 1;
  });
}

describe('what is due', () => {
  test('is asked for once, when its moment has come and not before', () => {
    const fd = add({ deadlineMs: 50 });
    expect(tick(1049.9)).toBe(false);
    expect(keeper.watched).toBe(1);
    expect(tick(1050)).toBe(true);
    expect(asked()).toEqual([fd]);
    expect(keeper.watched).toBe(0);
    expect(tick(2000)).toBe(false);
  });

  test('but was lifted or moved is not asked for', () => {
    const first = add({ deadlineMs: 50 });
    const second = add({ deadlineMs: 50 });
    tick(1001);
    timeouts.setDeadline(first, undefined);
    timeouts.setDeadline(second, 500);
    expect(tick(1100)).toBe(false);
    expect(keeper.watched).toBe(1);
    expect(tick(1501)).toBe(true);
    expect(asked()).toEqual([second]);
  });

  test('and comes forward is asked for when it is marked', () => {
    const fd = add({ deadlineMs: 5000 });
    tick(1001);
    timeouts.setDeadline(fd, 5);
    pool.strands.schedule(fd);
    expect(tick(1006)).toBe(true);
    expect(asked()).toEqual([fd]);
  });

  test('of a registration that has ended is nothing', () => {
    const fd = add({ deadlineMs: 50 });
    tick(1001);
    pool.memory.slots.request(fd, 0, Flag.FORCED);
    takeAll(pool);
    pool.memory.slots.claim(fd, pool.memory.me);
    pool.strands.beginEnd(fd);
    pool.strands.end(fd, false);
    expect(tick(2000)).toBe(false);
    expect(keeper.watched).toBe(0);
  });

  test('while its handler runs is a flag for the turn that follows', () => {
    const fd = add({ deadlineMs: 50 });
    pool.memory.slots.deliver(fd, 0, 1);
    pool.memory.slots.claim(fd, pool.memory.me);
    takeAll(pool);
    expect(tick(1100)).toBe(false);
    expect(takeAll(pool)).toEqual([]);
    pool.strands.finish(fd, 0, 1, false);
    expect(takeAll(pool)).toEqual([fd + 1]);
    expect(pool.memory.slots.waitingFlags(fd)).toBe(Flag.TIMER);
  });

  test('is known to a timekeeper that takes a dead one’s place, all slots being marked', () => {
    const fds = [add({ deadlineMs: 50 }), add({ idleMs: 20 }), add({ readMs: 70 })];
    tick(1001);
    const next = new Timekeeper(pool.dispatcher, timeouts);
    timeouts.markAll();
    now = 1200;
    next.run();
    expect(next.watched).toBe(0);
    expect(asked().toSorted((a, b) => a - b)).toEqual(fds);
  });
});

describe('an idle timeout', () => {
  test('that is pushed ahead by plain stores is looked at once a period', () => {
    const fd = add({ idleMs: 100 });
    for (let at = 1001; at < 3000; at++) {
      expect(tick(at)).toBe(false);
      timeouts.touch(fd);
    }
    tick(3000);
    expect(tick(3098)).toBe(false);
    expect(tick(3099 + USUAL_MS)).toBe(true);
    expect(timeouts.expire(fd, pool.memory.records.config(fd))).toBe('idle');
  });

  test('that was pushed ahead after it was asked for is none (52)', () => {
    const fd = add({ idleMs: 100 });
    tick(1001);
    expect(tick(1300)).toBe(true);
    timeouts.touch(fd);
    expect(asked()).toEqual([fd]);
    expect(timeouts.expire(fd, pool.memory.records.config(fd))).toBeUndefined();
    // The turn marks it, and it is looked at again.
    pool.strands.schedule(fd);
    expect(tick(1301)).toBe(false);
    expect(keeper.watched).toBe(1);
  });

  test('is never early, however late ticks come and whenever it is pushed ahead', () => {
    const random = new Random();
    const idleMs = 40;
    const fds = Array.from({ length: 20 }, () => add({ idleMs }));
    const activeAt = new Map(fds.map((fd) => [fd, now]));
    let fired = 0;
    for (let round = 0; round < 20_000; round++) {
      // The tick: in time, late, or the process was stopped.
      const gap = random.below(100);
      now += gap === 0 ? random.below(3000) : gap < 10 ? random.below(30) : random.below(20) / 10;
      if (random.below(10) === 0) {
        keeper.rest();
        now += random.below(50);
      }
      // Turns between ticks see the value of the tick before.
      for (let turns = random.below(3); turns > 0; turns--) {
        now += random.below(10) / 10;
        const fd = fds[random.below(fds.length)] ?? 0;
        timeouts.touch(fd);
        activeAt.set(fd, now);
      }
      now += random.below(10) / 10;
      keeper.run();
      for (const fd of asked()) {
        const silentMs = Math.round((now - (activeAt.get(fd) ?? 0)) * 1000) / 1000;
        if (timeouts.expire(fd, pool.memory.records.config(fd)) === 'idle') {
          expect(silentMs).toBeGreaterThanOrEqual(idleMs);
          fired++;
          activeAt.set(fd, now);
        }
        pool.strands.schedule(fd);
        pool.strands.finish(fd, 0, 1, false);
      }
    }
    expect(fired).toBeGreaterThan(100);
  });
});

describe('a tick that is torn in two', () => {
  test('judges nobody by the value that is current: who was active meanwhile has read it', () => {
    const fd = add({ idleMs: 100 });
    tick(1001);
    keeper.run();
    timeouts.touch(fd);
    timeouts.mark(fd);
    lostMs = 5000;
    // The coarse clock stays at 1001, and all that time somebody may have been active.
    expect(keeper.run()).toBe(false);
    expect(tick(6002)).toBe(false);
    expect(tick(6102)).toBe(true);
  });
});

describe('a rest', () => {
  test('lasts until the earliest moment, or for ever', () => {
    keeper.run();
    expect(keeper.rest()).toBe(NEVER);
    add({ deadlineMs: 5000 });
    expect(keeper.rest()).toBe(0);
    keeper.run();
    expect(keeper.rest()).toBe(5000);
    now = 3000;
    expect(keeper.rest()).toBe(3000);
    now = 7000;
    expect(keeper.rest()).toBe(0);
  });

  test('moves the coarse clock on, so that who was active before is not stretched by it', () => {
    const fd = add({ idleMs: 100 });
    tick(1001);
    timeouts.touch(fd);
    const before = timeouts.activity(fd);
    keeper.rest();
    expect(timeouts.coarse).not.toBe(before);
    // Though it rests for ten seconds.
    expect(tick(11_000)).toBe(true);
    expect(asked()).toEqual([fd]);
    expect(timeouts.expire(fd, pool.memory.records.config(fd))).toBe('idle');
  });

  test('in which somebody was active ends before that one’s time begins', () => {
    const fd = add({ idleMs: 100 });
    tick(1001);
    keeper.rest();
    now = 5000;
    timeouts.touch(fd);
    now = 5000.1;
    expect(keeper.run()).toBe(false);
    expect(tick(5099)).toBe(false);
    expect(tick(5101)).toBe(true);
  });

  test('of the monitor goes on while timeouts are pushed ahead, and ends with one that makes work', () => {
    const { port } = pool.memory;
    const rests = [5, 0, 7];
    const runs: string[] = [];
    const time: MonitorTime = {
      patienceMs: NEVER,
      rest: () => {
        expect(port.load(Word.MONITOR)).toBe(MonitorState.ASLEEP);
        runs.push('rest');
        return rests.shift() ?? NEVER;
      },
      run: () => {
        runs.push('run');
        return rests.length === 0;
      },
    };
    takeAll(pool);
    new Monitor(
      pool.dispatcher,
      () => {},
      () => {},
      blindWatch,
      time,
    ).rest();
    expect(runs).toEqual(['rest', 'run', 'rest', 'run', 'rest', 'run']);
    expect(port.load(Word.MONITOR)).toBe(MonitorState.AWAKE);
  });
});

describe('how long ticks may be put off', () => {
  test('is long without times, else until the next one or a step of the coarse clock', () => {
    expect(keeper.patienceMs).toBe(1000);
    add({ deadlineMs: 50 });
    tick(1001);
    expect(keeper.patienceMs).toBe(5);
    expect(USUAL_MS).toBeGreaterThan(keeper.patienceMs);
    tick(1048);
    expect(keeper.patienceMs).toBeCloseTo(2, 1);
    tick(1049.5);
    expect(keeper.patienceMs).toBeCloseTo(0.5, 1);
    tick(1050);
    expect(keeper.patienceMs).toBe(1000);
  });
});

describe('a timer', () => {
  test('without a period waits for nobody once it was taken', () => {
    const { memory, registrar, strands } = makeFakePool({ config: { 15: 4 } });
    const index = registrar.registerSource({
      handler: 0,
      kind: Kind.TIMER,
      traits: Trait.EDGE,
      events: 0,
      cookie: 0n,
      timer: { afterMs: 2 ** 30, periodMs: 0 },
    });
    strands.handOver(index, 0);
    expect(memory.slots.state(index)).toBe(State.ARMED);
    const marked: number[] = [];
    memory.timeouts.marks.take((each) => marked.push(each));
    expect(marked).toEqual([index]);
  });
});
