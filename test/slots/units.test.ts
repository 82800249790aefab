/**
 * Runs of units, by one thread that may be dead at any step: what waits, what is marked, and what the reaper makes of it.
 * All interleavings are in user-explorations.test.ts. Scenarios 107, 108.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { Layout, Owner, SlotWord } from '../../src/slots/layout.ts';
import { MOST_UNITS, Units } from '../../src/slots/units.ts';
import {
  closedUserWord,
  emptyUserWord,
  isClaimed,
  isUserWordOf,
  MAX_USER_VALUE,
  Merge,
  Posted,
  UserWords,
} from '../../src/slots/user.ts';
import { AtomicsPort } from '../../src/sync/port.ts';

const SLOT = 2;
const OTHER = 3;
const ME = Owner.FIRST_WORKER + 1;
const GENERATIONS = [0, 1, 63, 64, 127, 128, -1];

const layout = new Layout(4, 8);
let port: AtomicsPort;
let users: UserWords;
let units: Units;

const wordOf = (index: number): number => port.load(layout.slot(index) + SlotWord.USER);
const begin = (index: number, generation: number, posts: number): void => {
  port.store(layout.slot(index) + SlotWord.USER, emptyUserWord(generation));
  if (posts > 0) users.post(index, generation, Merge.ADD, posts);
};
const waiting = (index = SLOT): [number, boolean] => [users.waiting(index), isClaimed(wordOf(index))];

beforeEach(() => {
  port = new AtomicsPort(new Int32Array(new SharedArrayBuffer(layout.byteLength)));
  users = new UserWords(port, layout);
  units = new Units(port, layout, ME);
});

describe('a run', () => {
  test('takes out what was begun, when it ends, and the mark with it; the rest was never taken', () => {
    for (const generation of GENERATIONS) {
      begin(SLOT, generation, 5);
      expect(units.begin(SLOT)).toBe(5);
      expect(waiting()).toEqual([5, true]);
      units.start(1);
      units.start(2);
      users.post(SLOT, generation, Merge.COUNT, 1);
      expect(units.settle(SLOT, 2)).toBe(4);
      expect(waiting()).toEqual([4, false]);
      expect(isUserWordOf(wordOf(SLOT), generation) && wordOf(SLOT) >= 0).toBe(true);
    }
  });

  test('is not begun where nothing waits, nor after the end', () => {
    begin(SLOT, 7, 0);
    expect([units.begin(SLOT), ...waiting()]).toEqual([0, 0, false]);
    port.store(layout.slot(SLOT) + SlotWord.USER, closedUserWord(7));
    expect([units.begin(SLOT), wordOf(SLOT)]).toEqual([0, closedUserWord(7)]);
  });

  test('is bounded, so that at most so many posts too few are told to be too many', () => {
    begin(SLOT, -1, MAX_USER_VALUE);
    expect(units.begin(SLOT)).toBe(MOST_UNITS);
    expect(users.post(SLOT, -1, Merge.COUNT, 1)).toBe(Posted.FULL);
    expect(units.settle(SLOT, MOST_UNITS)).toBe(MAX_USER_VALUE - MOST_UNITS);
    expect(users.post(SLOT, -1, Merge.COUNT, 1)).toBe(Posted.JOINED);
    expect(waiting()).toEqual([MAX_USER_VALUE - MOST_UNITS + 1, false]);
  });

  test('that is parked ends while another slot has its own', () => {
    begin(SLOT, 7, 3);
    begin(OTHER, 7, 9);
    units.begin(SLOT);
    units.start(1);
    units.park(SLOT, 1);
    expect(units.begin(OTHER)).toBe(9);
    units.start(1);
    units.start(2);
    expect(units.settle(SLOT, 1)).toBe(2);
    expect([units.reap(SLOT, ME), ...waiting()]).toEqual([false, 2, false]);
    expect([units.reap(OTHER, ME), ...waiting(OTHER)]).toEqual([true, 7, false]);
  });
});

describe('a worker that dies', () => {
  /** Each step of a run of two, what is lost with it, and what is left of four posts. */
  const steps: readonly [string, () => void, boolean, number][] = [
    ['before it', () => {}, false, 4],
    ['before the first call', () => units.begin(SLOT), false, 4],
    ['in the first call', () => units.start(1), true, 3],
    ['in the second', () => units.start(2), true, 2],
    ['while the second is pending', () => units.park(SLOT, 2), true, 2],
    ['after it', () => units.settle(SLOT, 2), false, 2],
    ['before the first call of the next', () => units.begin(SLOT), false, 2],
    ['in that', () => units.start(1), true, 1],
  ];

  test.each(steps.map(([name], i) => [name, i] as const))(
    '%s leaves those that it had not begun, and the reaper tells if one was lost',
    (_, last) => {
      begin(SLOT, 7, 4);
      for (const [, step] of steps.slice(0, last + 1)) step();
      const [, , lost, left] = steps[last] ?? steps[0]!;
      expect([units.reap(SLOT, ME), ...waiting()]).toEqual([lost, left, false]);
      expect([units.reap(SLOT, ME), ...waiting()]).toEqual([false, left, false]);
    },
  );

  test('and had posts that came meanwhile loses none of those', () => {
    begin(SLOT, 7, 2);
    units.begin(SLOT);
    units.start(1);
    for (let i = 0; i < 3; i++) users.post(SLOT, 7, Merge.COUNT, 1);
    expect([units.reap(SLOT, ME), ...waiting()]).toEqual([true, 4, false]);
  });

  test('is not taken for another that has a run of its own', () => {
    begin(SLOT, 7, 2);
    begin(OTHER, 7, 5);
    units.begin(SLOT);
    units.start(1);
    const other = new Units(port, layout, ME + 1);
    other.begin(OTHER);
    other.start(3);
    expect([units.reap(SLOT, ME), ...waiting()]).toEqual([true, 1, false]);
    expect([units.reap(OTHER, ME + 1), ...waiting(OTHER)]).toEqual([true, 2, false]);
  });
});
