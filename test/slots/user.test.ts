/**
 * The user word of a slot, used by one thread: how posts merge, what is full and what is stale, what a claim leaves
 * behind. All interleavings are in user-explorations.test.ts. Scenarios 58, 107.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { Layout, SlotWord } from '../../src/slots/layout.ts';
import { Kind, packConfig, SlotRecords } from '../../src/slots/record.ts';
import {
  emptyUserWord,
  isClaimed,
  MAX_USER_VALUE,
  Merge,
  merged,
  Posted,
  UserWords,
  valueOf,
} from '../../src/slots/user.ts';
import { AtomicsPort } from '../../src/sync/port.ts';

const SLOT = 2;
const LISTENER = 3;
/** Generations that look alike in the seven bits of the user word, and in the ten of the family word. */
const USER_WRAP = 2 ** 7;
const FAMILY_WRAP = 2 ** 10;
const MOST = MAX_USER_VALUE;
/** Around each place where a generation wraps: of either word, of the slot's word, of 32 bits. */
const GENERATIONS = [
  0,
  1,
  63,
  64,
  127,
  128,
  129,
  255,
  1023,
  1024,
  8191,
  8192,
  2 ** 31 - 1,
  -(2 ** 31),
  -2,
  -1,
];
const ALL = Object.values(Merge);

const layout = new Layout(4, 8);
let port: AtomicsPort;
let users: UserWords;
let records: SlotRecords;

beforeEach(() => {
  port = new AtomicsPort(new Int32Array(new SharedArrayBuffer(layout.byteLength)));
  users = new UserWords(port, layout);
  records = new SlotRecords(port, layout);
});

const wordOf = (index: number): number => port.load(layout.slot(index) + SlotWord.USER);
const begin = (generation: number, index = SLOT, kind: Kind = Kind.EVENT): void =>
  records.begin(index, generation, packConfig(0, kind, 0), 0, 0n);

describe('merged', () => {
  test.each([
    [Merge.OR, 0, 1, 1],
    [Merge.OR, 5, 6, 7],
    [Merge.OR, MOST, 1, MOST],
    [Merge.OR, MOST - 1, MOST, MOST],
    [Merge.ADD, 0, MOST, MOST],
    [Merge.ADD, 5, 6, 11],
    [Merge.ADD, MOST - 1, 1, MOST],
    [Merge.ADD, MOST, 1, MOST + 1],
    [Merge.ADD, MOST, MOST, 2 * MOST],
    [Merge.LAST, 5, 6, 6],
    [Merge.LAST, MOST, 1, 1],
    [Merge.LAST, 0, MOST, MOST],
    [Merge.COUNT, 0, 1, 1],
    [Merge.COUNT, MOST - 1, 1, MOST],
    [Merge.COUNT, MOST, 1, MOST + 1],
  ])('merge %i of %i and %i is %i', (merge, value, posted, result) => {
    expect(merged(value, merge, posted)).toBe(result);
  });

  test('never makes nothing of something: zero means that nothing waits', () => {
    for (const merge of ALL)
      for (const value of [0, 1, MOST])
        for (const posted of [1, 2, MOST]) expect(merged(value, merge, posted)).toBeGreaterThan(0);
  });

  test('stays within 23 bits unless it is a sum', () => {
    for (const merge of [Merge.OR, Merge.LAST])
      for (const value of [0, 1, MOST - 1, MOST])
        for (const posted of [1, MOST - 1, MOST])
          expect(merged(value, merge, posted)).toBeLessThanOrEqual(MOST);
  });
});

describe('a user word', () => {
  test('of any generation is empty at first, is no sign bit, and holds the largest value beside the mark', () => {
    expect(MOST).toBe(2 ** 23 - 1);
    for (const generation of GENERATIONS) {
      begin(generation);
      expect([valueOf(wordOf(SLOT)), isClaimed(wordOf(SLOT)), wordOf(SLOT) >= 0]).toEqual([0, false, true]);
      expect(users.take(SLOT)).toBe(0);
      expect(users.post(SLOT, generation, Merge.ADD, MOST)).toBe(Posted.DONE);
      expect(users.take(SLOT)).toBe(MOST);
      expect(users.post(SLOT, generation, Merge.ADD, MOST - 1)).toBe(Posted.DONE);
      expect([users.waiting(SLOT), isClaimed(wordOf(SLOT)), wordOf(SLOT) >= 0]).toEqual([
        MOST - 1,
        true,
        true,
      ]);
      expect(users.post(SLOT, generation, Merge.ADD, 1)).toBe(Posted.JOINED);
      users.settle(SLOT);
      expect(users.take(SLOT)).toBe(MOST);
      users.settle(SLOT);
      expect(wordOf(SLOT)).toBe(emptyUserWord(generation));
    }
  });

  test('refuses a sum that does not fit, and is unchanged then', () => {
    for (const merge of [Merge.ADD, Merge.COUNT]) {
      begin(-1);
      users.post(SLOT, -1, merge, MOST);
      const before = wordOf(SLOT);
      expect(users.post(SLOT, -1, merge, 1)).toBe(Posted.FULL);
      expect(users.post(SLOT, -1, merge, MOST)).toBe(Posted.FULL);
      expect(wordOf(SLOT)).toBe(before);
    }
  });

  test('takes posts of its own generation only, whatever else waits in it', () => {
    for (const generation of GENERATIONS) {
      for (const other of GENERATIONS) {
        if ((generation - other) % USER_WRAP === 0) continue;
        begin(generation);
        users.post(SLOT, generation, Merge.OR, MOST);
        users.take(SLOT);
        const before = wordOf(SLOT);
        for (const merge of ALL) expect(users.post(SLOT, other, merge, 1)).toBe(Posted.STALE);
        expect(wordOf(SLOT)).toBe(before);
      }
    }
  });

  test('knows seven bits of the generation: its 128th successor looks alike, no nearer one', () => {
    for (const generation of [0, 127, 2 ** 31 - 200, -(2 ** 31), -USER_WRAP, -1]) {
      for (let later = 1; later < USER_WRAP; later++) {
        begin((generation + later) | 0);
        expect(users.post(SLOT, generation, Merge.OR, 1)).toBe(Posted.STALE);
      }
      begin((generation + USER_WRAP) | 0);
      expect(users.post(SLOT, generation, Merge.OR, 1)).toBe(Posted.DONE);
    }
  });

  test('is taken as a whole', () => {
    begin(7);
    for (let i = 0; i < 3; i++) users.post(SLOT, 7, Merge.ADD, 2);
    expect([users.take(SLOT), users.waiting(SLOT)]).toEqual([6, 0]);
    expect(isClaimed(wordOf(SLOT))).toBe(true);
  });

  test('is not marked by a take that finds nothing', () => {
    begin(7);
    expect(users.take(SLOT)).toBe(0);
    expect(isClaimed(wordOf(SLOT))).toBe(false);
    expect(users.reap(SLOT)).toBe(false);
  });

  test('is told to have lost something once, and only while it is claimed; what waits stays', () => {
    begin(7);
    users.post(SLOT, 7, Merge.ADD, 5);
    expect(users.reap(SLOT)).toBe(false);
    users.take(SLOT);
    users.post(SLOT, 7, Merge.ADD, 6);
    expect([users.reap(SLOT), users.reap(SLOT), users.waiting(SLOT)]).toEqual([true, false, 6]);
    users.take(SLOT);
    users.settle(SLOT);
    expect(users.reap(SLOT)).toBe(false);
  });

  test('is closed by the last take to every generation that is near, until the next begin', () => {
    for (const generation of GENERATIONS) {
      for (const value of [0, MOST]) {
        begin(generation);
        if (value !== 0) users.post(SLOT, generation, Merge.ADD, value);
        expect(users.takeLast(SLOT, generation)).toBe(value);
        expect(isClaimed(wordOf(SLOT))).toBe(value !== 0);
        users.settle(SLOT);
        const before = wordOf(SLOT);
        for (let later = -63; later < 64; later++)
          expect(users.post(SLOT, (generation + later) | 0, Merge.OR, 1)).toBe(Posted.STALE);
        expect([wordOf(SLOT), users.take(SLOT), users.waiting(SLOT)]).toEqual([before, 0, 0]);
      }
    }
  });

  test('tells of a worker that died in the last turn whether it had taken or left something, and is closed', () => {
    for (const [left, taken, lost] of [
      [0, false, false],
      [5, false, true],
      [5, true, true],
    ] as const) {
      begin(-1);
      if (left !== 0) users.post(SLOT, -1, Merge.ADD, left);
      if (taken) users.takeLast(SLOT, -1);
      expect([users.reapLast(SLOT, -1), users.reapLast(SLOT, -1)]).toEqual([lost, false]);
      expect(users.post(SLOT, -1, Merge.ADD, 1)).toBe(Posted.STALE);
    }
  });

  test('touches its own slot only', () => {
    for (const index of [1, 2, 3]) begin(5, index);
    users.post(SLOT, 5, Merge.OR, MOST);
    users.take(SLOT);
    expect([wordOf(1), wordOf(3)]).toEqual([emptyUserWord(5), emptyUserWord(5)]);
  });
});

describe('a listener', () => {
  test('has a family word that no post takes for a user word, whatever the generations', () => {
    for (const generation of GENERATIONS) {
      begin(generation, LISTENER, Kind.LISTENER);
      records.joinParent(SLOT, LISTENER, generation);
      for (const starved of [false, true]) {
        if (starved) records.starve(LISTENER);
        const before = wordOf(LISTENER);
        expect(before).toBeLessThan(0);
        for (let posted = -USER_WRAP; posted <= USER_WRAP; posted++)
          expect(users.post(LISTENER, (generation + posted) | 0, Merge.OR, 1)).toBe(Posted.STALE);
        expect(wordOf(LISTENER)).toBe(before);
      }
      expect(records.connections(LISTENER)).toBe(1);
    }
  });

  test('that ended long ago does not count its connections in a user word', () => {
    for (const generation of GENERATIONS) {
      begin(generation);
      for (const claimed of [false, true]) {
        users.post(SLOT, generation, Merge.OR, MOST);
        if (claimed) users.take(SLOT);
        const before = wordOf(SLOT);
        for (let listened = 0; listened < FAMILY_WRAP; listened++)
          expect(records.leaveParent(SLOT, listened)).toBe(false);
        expect(wordOf(SLOT)).toBe(before);
      }
    }
  });
});
