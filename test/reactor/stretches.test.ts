/** What a value of the coarse clock stands for: never less than it may, and little more. Scenarios 53, 55. */
import { describe, expect, test } from 'vitest';
import { Stretches, thinned, USUAL_MS } from '../../src/reactor/stretches.ts';
import { MAX_TIMEOUT_MS } from '../../src/slots/clock.ts';
import { Random } from '../scenarios/support/random.ts';

describe('a value stands for', () => {
  test('the moment of a usual tick after it', () => {
    const stretches = new Stretches();
    stretches.add(10, 10, 11.2);
    stretches.add(11, 11, 11 + USUAL_MS);
    expect(stretches.count).toBe(0);
    for (const value of [0, 10, 11, 500]) expect(stretches.endOf(value)).toBe(value + USUAL_MS);
  });

  test('the moment of the tick that came late', () => {
    const stretches = new Stretches();
    stretches.add(Number.NEGATIVE_INFINITY, 99, 104.5);
    stretches.add(100, 100, 3100.25);
    stretches.add(3101, 3101, 3120);
    expect(stretches.endOf(-5)).toBe(104.5);
    expect(stretches.endOf(50)).toBe(104.5);
    expect(stretches.endOf(99)).toBe(99 + USUAL_MS);
    expect(stretches.endOf(100)).toBe(3100.25);
    expect(stretches.endOf(101)).toBe(101 + USUAL_MS);
    expect(stretches.endOf(3101)).toBe(3120);
    expect(stretches.endOf(4000)).toBe(4000 + USUAL_MS);
  });
});

describe('what is remembered', () => {
  test('is taken together where that is little beside its age, and dropped when nothing can need it', () => {
    const old = { first: 10, last: 10, end: 30 };
    const next = { first: 40, last: 40, end: 60 };
    expect(thinned([old, next], 100)).toEqual([old, next]);
    expect(thinned([old, next], 10_000)).toEqual([{ first: 10, last: 40, end: 60 }]);
    expect(thinned([old, next], 31 + MAX_TIMEOUT_MS)).toEqual([next]);
    expect(thinned([], 5)).toEqual([]);
  });

  test('stays small, is never too early, and late by little beside the time that has passed', () => {
    const random = new Random();
    const stretches = new Stretches();
    const exact: { readonly value: number; readonly end: number }[] = [];
    let most = 0;
    let value = 0;
    // A pool that rests and wakes all the time, for half an hour.
    while (value < 1_800_000) {
      const end = value + 1 + random.below(60);
      stretches.add(value, value, end);
      exact.push({ value, end });
      most = Math.max(most, stretches.count);
      value = end + 1 + random.below(30);
      if (random.below(50) > 0) continue;
      const { value: asked, end: real } = exact[random.below(exact.length)] ?? { value: 0, end: 0 };
      const told = stretches.endOf(asked);
      expect(told).toBeGreaterThanOrEqual(real);
      expect(told - real).toBeLessThanOrEqual(USUAL_MS + (value - asked) / 32);
    }
    expect(most).toBeLessThan(3000);
  });
});
