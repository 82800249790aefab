/**
 * The layout of shared memory: where everything is, in words. A change here is a change of LAYOUT_VERSION. Scenarios
 * 97, 111 (the cost of a slot).
 */
import { describe, expect, test } from 'vitest';
import * as L from '../../src/slots/layout.ts';
import { markWords } from '../../src/sync/marks.ts';

const LINE_BYTES = 64;
const layout = new L.Layout(1000, 2048);

/** [first, behind the last] of each region, in words. */
const regions = (of: L.Layout): readonly (readonly [name: string, from: number, to: number])[] => [
  ['config', 0, L.LINE],
  ['hot words', L.LINE, of.worker(0)],
  ['workers', of.worker(0), of.worker(L.MAX_WORKERS)],
  ['counters', of.counters(0) * 2, of.counters(L.COUNTER_BLOCKS) * 2],
  ['batch', of.batch, of.batch + L.BATCH_EVENTS * 4],
  ['ring', of.ring, of.ring + of.ringCapacity],
  ['slots', of.slot(0), of.slot(of.maxFds)],
  ['places in groups', of.member(0), of.member(of.maxFds)],
  ['overflow', of.overflow, of.overflow + of.overflowWords],
  ['times', of.timesOf(0), of.timesOf(of.maxFds)],
  ['marks', of.marks, of.marks + markWords(of.maxFds)],
  ['mailboxes', of.mailbox(0), of.mailbox(L.MAX_WORKERS)],
];

describe('the layout', () => {
  test('has its version, lines of 64 bytes, and slot words where they are drawn', () => {
    expect(L.LAYOUT_VERSION).toBe(9);
    expect(L.LINE * Int32Array.BYTES_PER_ELEMENT).toBe(LINE_BYTES);
    expect(L.SlotWord).toMatchObject({
      WORD: 0,
      GENERATION: 1,
      CONFIG: 2,
      MAILBOX: 3,
      COOKIE_LO: 4,
      COOKIE_HI: 5,
      REASON: 6,
      CENSUS: 7,
      ACTIVITY: 8,
      GROUP: 9,
      PARENT_GENERATION: 10,
      LINK: 11,
      INPUT: 12,
      OUTPUT: 13,
      RUNNING: 14,
      FAMILY: 15,
    });
  });

  test('has its regions where they are drawn', () => {
    expect(regions(layout).map(([name, from]) => [name, from])).toEqual([
      ['config', 0],
      ['hot words', 16],
      ['workers', 256],
      ['counters', 768],
      ['batch', 2784],
      ['ring', 3808],
      ['slots', 5856],
      ['places in groups', 21_856],
      // A bit for each hint, from 0 to the last of the poll.
      ['overflow', 25_856],
      ['times', 25_856 + Math.ceil((1 + 1000 + L.POLL_HINTS) / 512) * 16],
      ['marks', 25_888 + 1000 * 8],
      ['mailboxes', 33_888 + 48],
    ]);
    // Three lines, the cells, a bit for each hint.
    expect(layout.length).toBe(33_936 + 32 * (48 + L.MAILBOX_CAPACITY + 32));
    expect(layout.byteLength).toBe(layout.length * 4);
  });

  test.each([
    [1, 1],
    [3, 8],
    [1000, 2048],
    [2 ** 20, 2 ** 21],
  ])('has no overlaps and keeps lines for %i fds and a ring of %i', (maxFds, ringCapacity) => {
    const sized = new L.Layout(maxFds, ringCapacity);
    let end = 0;
    for (const [name, from, to] of regions(sized)) {
      expect(from, `${name} begins behind the one before`).toBeGreaterThanOrEqual(end);
      expect(to, `${name} is not empty`).toBeGreaterThan(from);
      end = to;
    }
    expect(sized.length).toBe(end);
    for (const at of [sized.worker(3), sized.slot(0), sized.slot(1), sized.batch])
      expect(at % L.LINE).toBe(0);
  });

  test('costs 64 bytes a slot, 16 more in a group, 32 more if it has timeouts, and 34 bits', () => {
    const more = new L.Layout(layout.maxFds + 512, layout.ringCapacity);
    expect(more.byteLength - layout.byteLength).toBe(512 * (LINE_BYTES + 16 + LINE_BYTES / 2) + 34 * 64);
  });

  test('is read back from the words that describe it', () => {
    const words = new Int32Array(16);
    words[L.Config.MAX_FDS] = 77;
    words[L.Config.RING_CAPACITY] = 256;
    const read = L.layoutOf(words);
    expect([read.maxFds, read.ringCapacity]).toEqual([77, 256]);
  });
});

describe('words that several threads change', () => {
  test('are in lines of their own, unless they are touched at the same moments', () => {
    const lineOf = (at: number): number => Math.floor(at / L.LINE);
    const together = [
      ['PHASE', 'REVIEWS', 'EPOCH', 'FORMER_SET'],
      ['PARKED', 'PARK_CLOCK'],
      ['MONITOR', 'MONITOR_TIMER', 'MONITOR_SET', 'SEEN_AT', 'SEEN_TAIL', 'NESTED'],
      ['SEARCHER', 'WAKE_COST'],
      ['CLOCK', 'ORIGIN_LO', 'ORIGIN_HI'],
      ['OVERFLOWED', 'OVERFLOW_SWEPT', 'OVERFLOW_CURSOR'],
    ];
    const entries = Object.entries(L.Word);
    for (const [name, at] of entries) {
      expect(lineOf(at), `${name} is a hot word`).toBeGreaterThan(0);
      expect(at, `${name} is a hot word`).toBeLessThan(layout.worker(0));
      for (const [other, otherAt] of entries) {
        if (other === name) continue;
        expect(otherAt, `${name} and ${other}`).not.toBe(at);
        const mayShare = together.some((group) => group.includes(name) && group.includes(other));
        if (!mayShare) expect(lineOf(otherAt), `${name} and ${other}`).not.toBe(lineOf(at));
      }
    }
  });

  test.each([
    ['a worker', L.WorkerWord],
    ['a slot', oneEach(L.SlotWord)],
    ['the config', L.Config],
  ])('%s has each word once, in one line', (_name, words) => {
    const offsets = Object.values(words);
    expect(new Set(offsets).size).toBe(offsets.length);
    expect(Math.max(...offsets)).toBeLessThan(L.LINE);
  });
});

/** Some words are called otherwise in slots of another kind. */
function oneEach({
  USER,
  CONNECT,
  BEGUN,
  MEMBERS,
  MEMBER_COUNT,
  ...words
}: typeof L.SlotWord): Omit<typeof L.SlotWord, 'USER' | 'CONNECT' | 'BEGUN' | 'MEMBERS' | 'MEMBER_COUNT'> {
  expect(USER).toBe(words.FAMILY);
  expect([CONNECT, BEGUN]).toEqual([words.PARENT_GENERATION, words.PARENT_GENERATION]);
  expect([MEMBERS, MEMBER_COUNT]).toEqual([words.COOKIE_LO, words.COOKIE_HI]);
  return words;
}

describe('counters', () => {
  test('are doubles at addresses of doubles, in whole lines of their own thread', () => {
    const doublesInBlock = layout.counters(1) - layout.counters(0);
    expect(Math.max(...Object.values(L.Counter))).toBeLessThan(doublesInBlock);
    expect((doublesInBlock * 8) % LINE_BYTES).toBe(0);
    for (let block = 0; block < L.COUNTER_BLOCKS; block++) {
      expect(Number.isInteger(layout.counters(block))).toBe(true);
      expect((layout.counters(block) * 8) % LINE_BYTES).toBe(0);
    }
    // The view that a thread makes of them fits into the memory.
    const memory = new SharedArrayBuffer(layout.byteLength);
    expect(new Float64Array(memory, 0, layout.counters(L.COUNTER_BLOCKS)).length).toBeGreaterThan(0);
    expect(L.countersOf(L.Owner.FIRST_WORKER)).toBe(0);
    expect(L.countersOf(L.Owner.SUPERVISOR)).toBe(L.COUNTER_BLOCKS - 1);
  });

  test('are named once', () => {
    const indexes = Object.values(L.Counter);
    expect(new Set(indexes).size).toBe(indexes.length);
  });
});

describe('owners', () => {
  test('are apart, fit into six bits, and leave 0 to nobody', () => {
    expect(L.Owner.FIRST_WORKER).toBeGreaterThan(0);
    expect(L.Owner.FIRST_WORKER + L.MAX_WORKERS).toBeLessThanOrEqual(L.Owner.MAIN);
    expect(L.Owner.MAIN).toBeLessThan(L.Owner.FIRST_ATTACHED);
    expect(L.Owner.FIRST_ATTACHED).toBeLessThan(L.Owner.SUPERVISOR);
    expect(L.Owner.SUPERVISOR).toBeLessThan(64);
    expect(L.MAX_ATTACHED).toBe(29);
  });
});
