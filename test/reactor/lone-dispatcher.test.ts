/** The worker of a one-thread pool: its own hints, the ring's and the kernel take turns (G8). */
import { describe, expect, it } from 'vitest';
import type { FakeNative } from '../../src/native/fake.ts';
import { LoneDispatcher } from '../../src/reactor/lone-dispatcher.ts';
import type { PoolMemory } from '../../src/slots/memory.ts';
import { makeFakePool } from '../fake-pool.ts';

function makeLone(): {
  lone: LoneDispatcher<PoolMemory, FakeNative>;
  outside: (hint: number) => void;
  poll: number;
} {
  const pool = makeFakePool({ threads: 1 });
  // The kernel was asked once, and nothing came.
  const lone = new LoneDispatcher(pool.memory, pool.native, {
    keeps: true,
    hints: [],
    due: 0,
    hadTurn: false,
  });
  return { lone, outside: (hint) => pool.dispatcher.push(hint), poll: lone.pollHint };
}

describe('hints of a worker that is alone', () => {
  it('come in the order in which they were pushed, and before the poll hint behind them', () => {
    const { lone, poll } = makeLone();
    for (const hint of [3, 1, 2, poll]) lone.push(hint);
    expect(lone.waiting).toBe(4);
    expect(Array.from({ length: 5 }, () => lone.take())).toEqual([3, 1, 2, poll, 0]);
    expect(lone.hasWork()).toBe(false);
  });

  it('give way to those of other threads once before the kernel is asked', () => {
    const { lone, outside, poll } = makeLone();
    for (const hint of [1, 2, poll]) lone.push(hint);
    for (const hint of [11, 12, 13]) outside(hint);
    expect([lone.hasWork(), lone.waiting]).toEqual([true, 6]);
    expect(Array.from({ length: 7 }, () => lone.take())).toEqual([1, 2, 11, 12, 13, poll, 0]);
  });

  it('and the ring and the kernel all get their turns while none of them ever ends', () => {
    const { lone, outside, poll } = makeLone();
    for (const hint of [1, 2, poll]) lone.push(hint);
    for (const hint of [11, 12]) outside(hint);
    const seen = new Map<number, number>();
    for (let step = 0; step < 600; step++) {
      const hint = lone.take();
      seen.set(hint, (seen.get(hint) ?? 0) + 1);
      // Each comes again at once, whatever it is.
      if (hint >= 11 && hint <= 12) outside(hint);
      else lone.push(hint);
    }
    expect([...seen.keys()].toSorted((a, b) => a - b)).toEqual([1, 2, 11, 12, poll]);
    for (const times of seen.values()) expect(times).toBeGreaterThan(80);
  });

  it('come from the ring alone while there are no own ones', () => {
    const { lone, outside, poll } = makeLone();
    for (const hint of [11, poll, 12]) outside(hint);
    expect(Array.from({ length: 4 }, () => lone.take())).toEqual([11, poll, 12, 0]);
  });

  it('are in the ring as long as the poll hint is, which would wait for ever behind those that come again', () => {
    const pool = makeFakePool({ threads: 1 });
    const lone = new LoneDispatcher(pool.memory, pool.native);
    lone.push(1);
    pool.dispatcher.push(lone.pollHint);
    pool.dispatcher.push(11);
    expect(pool.memory.ring.length).toBe(3);
    const seen: number[] = [];
    while (seen.at(-1) !== lone.pollHint) {
      seen.push(lone.take());
      if (seen.at(-1) === 1) lone.push(1);
    }
    expect(seen).toEqual([1, lone.pollHint]);
    lone.push(lone.pollHint);
    lone.push(2);
    expect(Array.from({ length: 4 }, () => lone.take())).toEqual([11, 1, 2, lone.pollHint]);
  });
});
