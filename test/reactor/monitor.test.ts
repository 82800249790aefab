/** The monitor's one decision: whether hints have waited through a whole tick. */
import { describe, expect, test } from 'vitest';
import { type Sight, stuck } from '../../src/reactor/monitor.ts';

const sight = (hints: boolean, head: number): Sight => ({ hints, head });

describe('somebody must be woken', () => {
  test('when hints waited at both looks and none was taken between', () => {
    expect(stuck(sight(true, 7), sight(true, 7))).toBe(true);
  });

  test.each([
    ['one was taken', sight(true, 7), sight(true, 8)],
    ['one was taken and the counter wrapped', sight(true, 0x7fffffff), sight(true, -0x80000000)],
    ['they have only just come', sight(false, 7), sight(true, 7)],
    ['they are gone', sight(true, 7), sight(false, 7)],
    ['there are none', sight(false, 7), sight(false, 7)],
  ])('but not when %s', (_, before, now) => {
    expect(stuck(before, now)).toBe(false);
  });
});
