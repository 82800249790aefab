/** The wake rule: who is woken for a hint, and who is not. Scenarios 60, 61, 66, 67 for the rule alone. */
import { describe, expect, test } from 'vitest';
import { MonitorState } from '../../src/reactor/dispatcher.ts';
import { Errno } from '../../src/native/index.ts';
import { Config, Counter, Word, WorkerWord } from '../../src/slots/layout.ts';
import { ParkState } from '../../src/sync/parking.ts';
import { type FakePool, makeFakePool, takeAll } from '../fake-pool.ts';

/** How many times an eventfd was signalled since it was last asked. */
function signals({ native }: FakePool, fd: number): number {
  const region = native.memory(8);
  return native.read(fd, region.address, 8) < 0 ? 0 : (region.bytes[0] ?? 0);
}

function parkedBits(pool: FakePool): number {
  return pool.dispatcher.lot.parkedBits;
}

const park = (pool: FakePool, worker: number): void => {
  pool.dispatcher.lot.announce(worker, ParkState.SLEEPS_FUTEX);
};

describe('work that was pushed', () => {
  test('wakes the worker that parked last, and that one only', () => {
    const pool = makeFakePool({ threads: 4 });
    for (const worker of [2, 0, 3, 1]) park(pool, worker);
    pool.dispatcher.wakeForWork();
    expect(parkedBits(pool)).toBe(0b1101);
    expect(pool.dispatcher.lot.stateOf(1)).toBe(ParkState.NOTIFIED);
    expect(pool.counted(Counter.WAKES_SENT)).toBe(1);
  });

  test('wakes nobody while a woken worker still looks', () => {
    const pool = makeFakePool({ threads: 4 });
    park(pool, 0);
    park(pool, 1);
    pool.dispatcher.wakeForWork();
    pool.dispatcher.wakeForWork();
    expect(parkedBits(pool)).toBe(0b01);
    pool.dispatcher.stopSearching();
    pool.dispatcher.wakeForWork();
    expect(parkedBits(pool)).toBe(0);
  });

  test('wakes nobody while as many run as may', () => {
    const pool = makeFakePool({ threads: 4, config: { [Config.CONCURRENCY]: 2 } });
    for (const worker of [0, 1]) expect(pool.dispatcher.runnable.enter(worker, 2)).toBe(true);
    park(pool, 2);
    pool.dispatcher.wakeForWork();
    expect(parkedBits(pool)).toBe(0b100);
    pool.dispatcher.runnable.leave(0);
    pool.dispatcher.wakeForWork();
    expect(parkedBits(pool)).toBe(0);
  });

  test('wakes a worker that sleeps in its own epoll set by its eventfd', () => {
    const pool = makeFakePool();
    pool.dispatcher.lot.announce(1, ParkState.SLEEPS_KERNEL);
    pool.dispatcher.wakeForWork();
    expect(signals(pool, pool.workers[1] ?? -1)).toBe(1);
    expect(signals(pool, pool.workers[0] ?? -1)).toBe(0);
  });

  test('prefers a parked worker to the poller in the kernel', () => {
    const pool = makeFakePool();
    pool.dispatcher.claimPoll(pool.dispatcher.pollHint);
    pool.dispatcher.announceWait();
    park(pool, 1);
    pool.dispatcher.wakeForWork();
    expect(signals(pool, pool.wake)).toBe(0);
    expect(pool.dispatcher.pollerWaits).toBe(true);
  });

  test('kicks the poller, once, when nobody is parked', () => {
    const pool = makeFakePool();
    pool.dispatcher.claimPoll(pool.dispatcher.pollHint);
    pool.dispatcher.announceWait();
    pool.dispatcher.wakeForWork();
    pool.dispatcher.wakeForWork();
    expect(signals(pool, pool.wake)).toBe(1);
    expect(pool.dispatcher.pollerWaits).toBe(false);
    expect(pool.dispatcher.pollHolder).toBe(pool.memory.me);
  });

  test('reaches its sleeper though the write is interrupted, and minds no full count (60)', () => {
    const pool = makeFakePool();
    pool.native.failNext('signal', Errno.EINTR, Errno.EINTR);
    pool.dispatcher.lot.announce(1, ParkState.SLEEPS_KERNEL);
    pool.dispatcher.wakeForWork();
    expect(signals(pool, pool.workers[1] ?? -1)).toBe(1);
    pool.native.failNext('signal', Errno.EAGAIN);
    let calls = 0;
    pool.native.onCall = () => calls++;
    pool.dispatcher.wakePoller();
    expect(calls).toBe(1);
  });

  test('makes no system call when nobody sleeps', () => {
    const pool = makeFakePool();
    const calls: string[] = [];
    pool.native.onCall = (call) => calls.push(call);
    pool.dispatcher.claimPoll(pool.dispatcher.pollHint);
    pool.dispatcher.wakeForWork();
    expect(calls).toEqual([]);
  });

  test('leaves nobody marked as searching when the parked one withdrew', () => {
    const pool = makeFakePool();
    park(pool, 1);
    pool.dispatcher.lot.settle(1);
    pool.dispatcher.wakeForWork();
    expect(pool.memory.port.load(Word.SEARCHER)).toBe(0);
  });
});

describe('the poll hint', () => {
  test('is claimed by one', () => {
    const pool = makeFakePool();
    const other = pool.member(1);
    expect(pool.dispatcher.claimPoll(pool.dispatcher.pollHint)).toBe(true);
    expect(other.dispatcher.claimPoll(other.dispatcher.pollHint)).toBe(false);
    expect(other.dispatcher.pollHolder).toBe(pool.memory.me);
  });

  test('goes to the tail when it is put back', () => {
    const pool = makeFakePool();
    pool.dispatcher.claimPoll(pool.dispatcher.pollHint);
    pool.dispatcher.push(5);
    pool.dispatcher.releasePoll();
    pool.dispatcher.push(6);
    expect(takeAll(pool)).toEqual([5, pool.dispatcher.pollHint, 6]);
    expect(pool.dispatcher.pollHolder).toBe(0);
  });

  test('that was replaced is dropped at its claim, and its replacement is valid', () => {
    const pool = makeFakePool();
    const old = pool.dispatcher.pollHint;
    pool.dispatcher.replacePoll();
    const [replacement = 0] = takeAll(pool);
    expect(pool.dispatcher.isPollHint(replacement)).toBe(true);
    expect(pool.dispatcher.claimPoll(old)).toBe(false);
    expect(pool.dispatcher.claimPoll(replacement)).toBe(true);
    pool.dispatcher.releasePoll();
    expect(takeAll(pool)).toEqual([replacement]);
  });

  test('is not replaced while somebody holds it', () => {
    const pool = makeFakePool();
    pool.dispatcher.claimPoll(pool.dispatcher.pollHint);
    pool.dispatcher.replacePoll();
    expect(takeAll(pool)).toEqual([]);
  });

  test('a poller that does not wait is not kicked', () => {
    const pool = makeFakePool();
    expect(pool.dispatcher.kickPoller()).toBe(false);
    pool.dispatcher.claimPoll(pool.dispatcher.pollHint);
    expect(pool.dispatcher.kickPoller()).toBe(false);
    pool.dispatcher.announceWait();
    expect(pool.dispatcher.kickPoller()).toBe(true);
    pool.dispatcher.endWait();
    expect(pool.dispatcher.kickPoller()).toBe(false);
    expect(signals(pool, pool.wake)).toBe(1);
  });
});

describe('a ring that is smaller than the slots', () => {
  test('loses no hint and keeps their order', () => {
    const pool = makeFakePool({ ringSize: 2, maxFds: 64 });
    const hints = Array.from({ length: 40 }, (_, i) => i + 1);
    for (const hint of hints) pool.dispatcher.push(hint);
    expect(pool.dispatcher.hasWork()).toBe(true);
    expect(takeAll(pool)).toEqual(hints);
    expect(pool.dispatcher.hasWork()).toBe(false);
    expect(pool.dispatcher.overflow.count).toBe(38);
  });

  test('takes hints that come while others are chained, each once', () => {
    const pool = makeFakePool({ ringSize: 4, maxFds: 64 });
    const taken: number[] = [];
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 3; i++) pool.dispatcher.push(round * 3 + i + 1);
      for (let i = 0; i < 2; i++) taken.push(pool.dispatcher.take());
    }
    taken.push(...takeAll(pool));
    expect(taken.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
  });
});

describe('the monitor', () => {
  test('is started by a push from outside, if it sleeps', () => {
    const pool = makeFakePool();
    const { port } = pool.memory;
    expect(port.load(Word.MONITOR)).toBe(MonitorState.ASLEEP);
    pool.dispatcher.push(4);
    pool.dispatcher.pushed();
    expect(port.load(Word.MONITOR)).toBe(MonitorState.AWAKE);
    expect(takeAll(pool)).toEqual([4]);
  });

  test('is left alone where there is none', () => {
    const pool = makeFakePool({ config: { [Config.MONITORED]: 0 } });
    pool.dispatcher.startMonitor();
    expect(pool.memory.port.load(Word.MONITOR)).toBe(MonitorState.ASLEEP);
  });
});

describe('calling for attention', () => {
  const called = (pool: FakePool, worker: number): boolean =>
    pool.memory.port.load(pool.memory.layout.worker(worker) + WorkerWord.ATTENTION) === 1;

  test('wakes the worker if it is parked', () => {
    const pool = makeFakePool();
    park(pool, 0);
    park(pool, 1);
    pool.dispatcher.callAttention(0);
    expect(called(pool, 0)).toBe(true);
    expect(parkedBits(pool)).toBe(0b10);
  });

  test('kicks it if it is the poller in the kernel', () => {
    const pool = makeFakePool();
    pool.dispatcher.claimPoll(pool.dispatcher.pollHint);
    pool.dispatcher.announceWait();
    pool.dispatcher.callAttention(1);
    expect(signals(pool, pool.wake)).toBe(0);
    pool.dispatcher.callAttention(0);
    expect(signals(pool, pool.wake)).toBe(1);
  });

  test('is only a word if it runs', () => {
    const pool = makeFakePool();
    pool.dispatcher.callAttention(1);
    expect(called(pool, 1)).toBe(true);
    expect(called(pool, 0)).toBe(false);
  });
});
