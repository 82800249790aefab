/** The monitor's one decision: whether a hint has waited through a whole tick. Scenario 62 for the positions. */
import { describe, expect, test } from 'vitest';
import { type Sight, waitedThroughTick } from '../../src/reactor/monitor.ts';

const sight = (head: number, tail: number, overflowed = false): Sight => ({ head, tail, overflowed });

const LAST = 0x7fffffff;
const FIRST = -0x80000000;

describe('a hint has waited through the tick', () => {
  test.each([
    ['none was taken', sight(3, 5), sight(3, 5)],
    ['some were taken, but not all that were there', sight(3, 7), sight(6, 9)],
    ['the last that was there is left', sight(3, 7), sight(6, 6)],
    ['positions wrapped', sight(LAST - 1, FIRST + 2), sight(FIRST + 1, FIRST + 5)],
    ['it waits outside of the ring', sight(3, 3, true), sight(3, 3, true)],
  ])('%s', (_, before, now) => {
    expect(waitedThroughTick(before, now)).toBe(true);
  });
});

describe('nobody needs to be woken', () => {
  test.each([
    ['there was none', sight(5, 5), sight(5, 5)],
    ['all that were there are taken, and later ones wait', sight(3, 5), sight(5, 90)],
    ['it has only just come', sight(5, 5), sight(5, 6)],
    ['the queue is long but moves', sight(0, 100), sight(100, 300)],
    ['positions wrapped', sight(LAST, FIRST + 3), sight(FIRST + 3, FIRST + 9)],
    ['what waited outside has found room', sight(3, 3, true), sight(5, 5)],
    ['it waits outside only now', sight(3, 3), sight(3, 3, true)],
  ])('%s', (_, before, now) => {
    expect(waitedThroughTick(before, now)).toBe(false);
  });
});
