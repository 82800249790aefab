/**
 * The times of a slot: each decision walked, and what an owner, a resetting thread and the monitor do to each other's words.
 * Scenarios 52 (moved on before its turn), 54 (missed periods), 56 (reset and expiry: one of them).
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { beginClock, Clock, MAX_TIMEOUT_MS, stampAt } from '../../src/slots/clock.ts';
import { Layout, SlotWord, TimeWord, Word } from '../../src/slots/layout.ts';
import { Kind, packConfig, Trait } from '../../src/slots/record.ts';
import {
  type Limits,
  NO_LIMITS,
  periodsOver,
  type Progress,
  readChange,
  Reset,
  Timeouts,
  traitsOf,
  writeChange,
} from '../../src/slots/timeouts.ts';
import { AtomicsPort } from '../../src/sync/port.ts';

const KEEP = 0;
const BEGIN = 1;
const END = 2;
const SLOT = 3;
const layout = new Layout(8, 16, 4);
const NEVER = Number.POSITIVE_INFINITY;
const live = (): boolean => true;

let words: Int32Array;
let timeouts: Timeouts;
let now: number;

beforeEach(() => {
  words = new Int32Array(layout.length);
  beginClock(words, 0n);
  now = 1000.5;
  timeouts = new Timeouts(
    new AtomicsPort(words),
    layout,
    new Clock(words, () => BigInt(Math.round(now * 1e6))),
  );
});

/** A slot with these limits, as a registrar makes it; returns its config. */
function begin(limits: Partial<Limits>): number {
  const all = { ...NO_LIMITS, ...limits };
  timeouts.begin(SLOT, all);
  const config = packConfig(0, Kind.CONNECTION, traitsOf(all));
  words[layout.slot(SLOT) + SlotWord.CONFIG] = config;
  return config;
}

const QUIET: Progress = { reading: true, rest: false, consumed: false, waits: false, sent: false };
const every: Progress[] = Array.from({ length: 32 }, (_, bits) => ({
  reading: (bits & 1) !== 0,
  rest: (bits & 2) !== 0,
  consumed: (bits & 4) !== 0,
  waits: (bits & 8) !== 0,
  sent: (bits & 16) !== 0,
}));

describe('limits', () => {
  test('say in a slot’s traits what there is to look after', () => {
    expect(traitsOf(NO_LIMITS)).toBe(0);
    expect(traitsOf({ ...NO_LIMITS, idleMs: 1 })).toBe(Trait.TIMED | Trait.IDLE);
    expect(traitsOf({ ...NO_LIMITS, readMs: 1 })).toBe(Trait.TIMED | Trait.PACED);
    expect(traitsOf({ ...NO_LIMITS, writeMs: 1 })).toBe(Trait.TIMED | Trait.PACED);
    expect(traitsOf({ ...NO_LIMITS, deadlineMs: 1 })).toBe(Trait.TIMED);
  });

  test('of a listener are those of its connections', () => {
    const limits = { idleMs: 1, readMs: 2, writeMs: MAX_TIMEOUT_MS, deadlineMs: 4 };
    timeouts.beginTemplate(SLOT, limits);
    expect(timeouts.template(SLOT)).toEqual(limits);
  });
});

describe('the read timeout', () => {
  test('runs while a message is there in part, and not longer', () => {
    for (const running of [false, true]) {
      for (const progress of every) {
        const { reading, rest, consumed } = progress;
        let expected: number = KEEP;
        if (!reading) expected = END;
        else if (rest && (consumed || !running)) expected = BEGIN;
        else if (!rest && consumed) expected = END;
        expect(readChange(running, progress), JSON.stringify({ running, ...progress })).toBe(expected);
      }
    }
  });

  test('is not pushed ahead by a message that trickles', () => {
    begin({ readMs: 100 });
    timeouts.pace(SLOT, { ...QUIET, consumed: true });
    expect(timeouts.exactDue(SLOT, Trait.PACED, now)).toBe(NEVER);
    expect(timeouts.pace(SLOT, { ...QUIET, rest: true })).toBe(true);
    const due = timeouts.exactDue(SLOT, Trait.PACED, now);
    expect(due).toBe(1101);
    for (; now < due; now += 10) expect(timeouts.pace(SLOT, { ...QUIET, rest: true })).toBe(false);
    expect(timeouts.exactDue(SLOT, Trait.PACED, now)).toBe(due);
    expect(timeouts.expire(SLOT, Trait.PACED)).toBe('read');
  });

  test('runs from the opening until the first message was taken', () => {
    begin({ readMs: 100 });
    timeouts.pace(SLOT, QUIET);
    expect(timeouts.exactDue(SLOT, Trait.PACED, now)).toBe(1101);
    timeouts.pace(SLOT, { ...QUIET, consumed: true });
    now += 1000;
    expect(timeouts.expire(SLOT, Trait.PACED)).toBeUndefined();
  });
});

describe('the write timeout', () => {
  test('runs while output waits, anew when some was taken', () => {
    for (const running of [false, true]) {
      for (const progress of every) {
        const { waits, sent } = progress;
        let expected: number = KEEP;
        if (!waits) expected = END;
        else if (sent || !running) expected = BEGIN;
        expect(writeChange(running, progress), JSON.stringify({ running, ...progress })).toBe(expected);
      }
    }
  });

  test('is told to the monitor when it begins, not when it moves away', () => {
    begin({ writeMs: 100 });
    expect(timeouts.pace(SLOT, { ...QUIET, waits: true })).toBe(true);
    now += 50;
    expect(timeouts.pace(SLOT, { ...QUIET, waits: true, sent: true })).toBe(false);
    expect(timeouts.exactDue(SLOT, Trait.PACED, now)).toBe(1151);
    now += 100.4;
    expect(timeouts.expire(SLOT, Trait.PACED)).toBeUndefined();
    now += 0.1;
    expect(timeouts.expire(SLOT, Trait.PACED)).toBe('write');
    // And begins again.
    expect(timeouts.exactDue(SLOT, Trait.PACED, now)).toBe(now + 100);
    expect(timeouts.expire(SLOT, Trait.PACED)).toBeUndefined();
  });
});

describe('the deadline', () => {
  test('is not moved by anything but setDeadline(), and comes once', () => {
    const config = begin({ deadlineMs: 20 });
    timeouts.touch(SLOT);
    timeouts.pace(SLOT, QUIET);
    now = 1020.999;
    expect(timeouts.expire(SLOT, config)).toBeUndefined();
    now = 1021;
    expect(timeouts.expire(SLOT, config)).toBe('deadline');
    expect(timeouts.expire(SLOT, config)).toBeUndefined();
    expect(timeouts.exactDue(SLOT, config, now)).toBe(NEVER);
    timeouts.setDeadline(SLOT, MAX_TIMEOUT_MS);
    expect(timeouts.exactDue(SLOT, config, now)).toBe(1021 + MAX_TIMEOUT_MS);
    timeouts.setDeadline(SLOT, undefined);
    expect(timeouts.exactDue(SLOT, config, now)).toBe(NEVER);
  });
});

describe('the idle timeout', () => {
  const endOf = (activity: number): number => activity + 8;

  test('is over if the activity that the monitor has judged is the last one still', () => {
    const config = begin({ idleMs: 50 });
    expect(timeouts.expire(SLOT, config)).toBeUndefined();
    words[Word.CLOCK] = 1003;
    timeouts.touch(SLOT);
    expect(timeouts.idleDue(SLOT, config, timeouts.activity(SLOT), endOf)).toBe(1061);
    timeouts.judge(SLOT, timeouts.activity(SLOT));
    now = 1061;
    expect(timeouts.expire(SLOT, config)).toBe('idle');
    // It begins again.
    expect(timeouts.expire(SLOT, config)).toBeUndefined();
    expect(timeouts.activity(SLOT)).toBe(1061);
  });

  test('that was pushed ahead before its turn is not over (52)', () => {
    const config = begin({ idleMs: 50 });
    words[Word.CLOCK] = 1003;
    timeouts.touch(SLOT);
    timeouts.judge(SLOT, timeouts.activity(SLOT));
    words[Word.CLOCK] = 1061;
    timeouts.touch(SLOT);
    expect(timeouts.expire(SLOT, config)).toBeUndefined();
  });

  test('of a slot without one never is', () => {
    const config = begin({ deadlineMs: 5 });
    expect(timeouts.idleDue(SLOT, config, timeouts.activity(SLOT), endOf)).toBe(NEVER);
    timeouts.judge(SLOT, timeouts.activity(SLOT));
    expect(timeouts.expire(SLOT, config)).toBeUndefined();
  });
});

describe('the periods of a timer', () => {
  test.each([
    ['before its time', 100, 10, 99, 0],
    ['at its time', 100, 10, 100, 1],
    ['late', 100, 10, 109, 1],
    ['one too late', 100, 10, 110, 2],
    ['very late', 100, 10, 3100, 301],
    ['late, with only one', 100, 0, 100_000, 1],
    ['across the wrap', stampAt(2 ** 31 - 5), 10, stampAt(2 ** 31 + 20), 3],
    ['before it, across the wrap', stampAt(2 ** 31 + 20), 10, stampAt(2 ** 31 - 5), 0],
  ])('%s', (_, due, period, at, expected) => {
    expect(periodsOver(due, period, at)).toBe(expected);
  });

  test('are taken once, and the next is due in the same beat', () => {
    timeouts.beginTimer(SLOT, 25, 10);
    expect(timeouts.timerPeriods(SLOT).count).toBe(0);
    now = 1058;
    const { due, count } = timeouts.timerPeriods(SLOT);
    expect([due, count]).toEqual([1026, 4]);
    expect(timeouts.takePeriods(SLOT, due, count)).toBe(true);
    expect(timeouts.timerPeriods(SLOT)).toEqual({ due: 1066, count: 0 });
    expect(timeouts.takePeriods(SLOT, due, count)).toBe(false);
    expect(timeouts.endTimer(SLOT)).toBe(false);
  });

  test('that were moved between look and take are not taken (52)', () => {
    timeouts.beginTimer(SLOT, 25, 0);
    now = 1026;
    const { due, count } = timeouts.timerPeriods(SLOT);
    expect(count).toBe(1);
    expect(timeouts.resetTimer(SLOT, 5, live)).toBe(Reset.LATER);
    expect(timeouts.takePeriods(SLOT, due, count)).toBe(false);
    expect(timeouts.timerPeriods(SLOT)).toEqual({ due: 1031, count: 0 });
  });

  test('of a one-shot timer are one; it can be reset until it has ended, not after (56)', () => {
    timeouts.beginTimer(SLOT, 25, 0);
    now = 1026;
    const { due, count } = timeouts.timerPeriods(SLOT);
    expect(timeouts.takePeriods(SLOT, due, count)).toBe(true);
    expect(timeouts.resetTimer(SLOT, 5, live)).toBe(Reset.SOONER);
    expect(timeouts.endTimer(SLOT)).toBe(false);
    now = 1031;
    expect(timeouts.takePeriods(SLOT, 1031, 1)).toBe(true);
    expect(timeouts.endTimer(SLOT)).toBe(true);
    expect(timeouts.resetTimer(SLOT, 5, live)).toBe(Reset.STALE);
    expect(timeouts.endTimer(SLOT)).toBe(false);
    expect(timeouts.exactDue(SLOT, packConfig(0, Kind.TIMER, Trait.TIMED), now)).toBe(NEVER);
  });

  test('need the monitor if they come sooner than before', () => {
    timeouts.beginTimer(SLOT, 25, 0);
    expect(timeouts.resetTimer(SLOT, 25, live)).toBe(Reset.LATER);
    expect(timeouts.resetTimer(SLOT, 24, live)).toBe(Reset.SOONER);
    expect(timeouts.resetTimer(SLOT, MAX_TIMEOUT_MS, live)).toBe(Reset.LATER);
    expect(timeouts.resetTimer(SLOT, 1, live)).toBe(Reset.SOONER);
  });

  test('of a timer that has the slot now are left as they were by a reset of the one before', () => {
    timeouts.beginTimer(SLOT, 25, 0);
    let looks = 0;
    expect(timeouts.resetTimer(SLOT, 999, () => ++looks === 1)).toBe(Reset.STALE);
    expect(words[layout.timesOf(SLOT) + TimeWord.DUE]).toBe(1026);
    expect(timeouts.resetTimer(SLOT, 999, () => false)).toBe(Reset.STALE);
    expect(words[layout.timesOf(SLOT) + TimeWord.DUE]).toBe(1026);
  });
});

test('after a death every slot that may have times is marked', () => {
  for (const index of [1, 3, 11]) words[layout.slot(index) + SlotWord.CONFIG] = Trait.TIMED;
  words[layout.slot(2) + SlotWord.CONFIG] = Trait.EDGE;
  timeouts.markAll();
  const marked: number[] = [];
  timeouts.marks.take((index) => marked.push(index));
  expect(marked).toEqual([1, 3, 11]);
});
