/** What is seen of the ring, when, and whether it still waits. Scenario 62 for the positions. */
import { describe, expect, test } from 'vitest';
import { microseconds, stillWaits } from '../../src/reactor/sight.ts';
import { makeFakePool, takeAll } from '../fake-pool.ts';

const LAST = 0x7fffffff;
const FIRST = -0x80000000;

describe('a hint from before a position', () => {
  test.each([
    ['none was taken', 5, 3],
    ['some were taken, but not all', 7, 6],
    ['positions wrapped', FIRST + 2, FIRST + 1],
    ['positions wrap between them', FIRST + 2, LAST],
  ])('still waits: %s', (_, tail, head) => {
    expect(stillWaits(tail, head)).toBe(true);
  });

  test.each([
    ['there was none', 5, 5],
    ['later ones were taken too', 5, 90],
    ['positions wrapped', FIRST + 3, FIRST + 3],
    ['positions wrap between them', LAST, FIRST],
  ])('is taken: %s', (_, tail, head) => {
    expect(stillWaits(tail, head)).toBe(false);
  });
});

test('a look remembers the hints that were there, and when it was', () => {
  const pool = makeFakePool();
  takeAll(pool);
  const { sight } = pool.dispatcher;
  pool.dispatcher.push(7);
  const before = microseconds();
  sight.take();
  const after = microseconds();
  expect([(sight.at - before) | 0, (after - sight.at) | 0].every((us) => us >= 0)).toBe(true);
  expect(sight.sinceMs).toBeGreaterThanOrEqual(0);
  pool.dispatcher.push(8);
  expect(sight.stillWaits).toBe(true);
  pool.dispatcher.take();
  expect(sight.stillWaits).toBe(false);
  // All threads see the same look.
  const other = pool.member(1).dispatcher.sight;
  expect([other.at, other.stillWaits]).toEqual([sight.at, false]);
});
