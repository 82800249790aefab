/** How often a turn of many calls looks up. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { callsUntilLook, Pace } from '../../src/sources/pace.ts';

describe('calls until the next look', () => {
  test.each([
    ['a call that takes a while', 1, 0.1, 1],
    ['one that takes about as long as may be', 1, 0.002, 1],
    ['fast ones', 16, 0.0016, 20],
    ['very fast ones', 64, 0.0001, 64],
    ['fast ones that became slow', 64, 30, 1],
    ['a clock that stands still', 1, 0, 64],
  ])('after %s', (_, calls, tookMs, result) => {
    expect(callsUntilLook(calls, tookMs)).toBe(result);
  });
});

describe('a turn', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
  afterEach(() => void vi.useRealTimers());

  /** Calls of so many milliseconds each until the turn is over. */
  const callsOf = (ms: number): number => {
    const pace = new Pace();
    for (let calls = 1; ; calls++) {
      vi.advanceTimersByTime(ms);
      if (pace.isDue() && pace.isOver()) return calls;
    }
  };

  test('ends with the call that has lasted too long', () => {
    expect(callsOf(5)).toBe(1);
    expect(callsOf(1)).toBe(1);
  });

  test('goes on for a millisecond', () => {
    const pace = new Pace();
    expect(pace.isDue() && pace.isOver()).toBe(false);
    vi.advanceTimersByTime(1);
    // It had seen very fast calls: the next look is not due at once.
    let calls = 1;
    while (!pace.isDue()) calls++;
    expect([calls, pace.isOver()]).toEqual([64, true]);
  });
});
