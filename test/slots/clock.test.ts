/** The pool's clock: stamps that wrap, and are never before their moment. Scenario 53 for the largest values. */
import { describe, expect, test } from 'vitest';
import {
  beginClock,
  Clock,
  MAX_TIMEOUT_MS,
  momentOf,
  NO_STAMP,
  STAMP_OVER,
  stampAt,
  stampDistance,
} from '../../src/slots/clock.ts';

const WRAP = 2 ** 32;
const moments = [
  0,
  0.5,
  1,
  1.5,
  2,
  1000,
  2 ** 31 - 1.5,
  2 ** 31,
  WRAP - 1,
  WRAP,
  WRAP + 0.2,
  WRAP + 1,
  WRAP + 2,
  9 * WRAP + 7.25,
];

describe('a stamp', () => {
  test('is a moment that is not before the one it is made of, by less than 3 ms', () => {
    for (const moment of moments) {
      const stamp = stampAt(moment);
      expect(stamp).toBe(stamp | 0);
      expect([NO_STAMP, STAMP_OVER]).not.toContain(stamp);
      const back = momentOf(stamp, moment);
      expect(back).toBeGreaterThanOrEqual(moment);
      expect(back - moment).toBeLessThan(3);
    }
  });

  test('is found again from anywhere that is less than 24 days away', () => {
    for (const moment of moments.map(Math.ceil).filter((whole) => whole % WRAP > 1)) {
      for (const away of [0, 1, -1, 1000.5, -1000.5, MAX_TIMEOUT_MS, -MAX_TIMEOUT_MS])
        expect(momentOf(stampAt(moment), moment + away)).toBe(moment);
    }
  });

  test('is as far from another one as their moments', () => {
    for (const from of moments.map(Math.ceil))
      for (const to of [from, from + 2, from + 77, from + MAX_TIMEOUT_MS])
        if (from % WRAP > 1 && to % WRAP > 1)
          expect(stampDistance(stampAt(from), stampAt(to))).toBe(to - from);
  });
});

describe('the clock', () => {
  test('counts milliseconds from its beginning, in every thread', () => {
    for (const origin of [0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 123_456_789_012_345n]) {
      const words = new Int32Array(256);
      beginClock(words, origin);
      const at = (after: bigint): Clock => new Clock(words, () => origin + after);
      expect(at(0n).now()).toBe(0);
      expect(at(1_500_000n).now()).toBe(1.5);
      expect(at(2_000_001n).now()).toBe(2.000001);
    }
  });

  test('of a pool moves on', () => {
    const words = new Int32Array(256);
    beginClock(words);
    const clock = new Clock(words);
    const [first, second] = [clock.now(), clock.now()];
    expect(first).toBeGreaterThanOrEqual(0);
    expect(second).toBeGreaterThanOrEqual(first);
    expect(second).toBeLessThan(60_000);
  });
});
