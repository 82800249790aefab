/** The fields of a slot beside its word: what they hold, and that nobody writes into a later registration of the same number. */
import { beforeEach, describe, expect, test } from 'vitest';
import { Layout } from '../../src/slots/layout.ts';
import {
  Cause,
  causeOf,
  detailOf,
  eventsOf,
  handlerOf,
  isSilent,
  Kind,
  kindOf,
  MAX_DETAIL,
  MAX_HANDLERS,
  packConfig,
  Phase,
  SlotRecords,
  Trait,
} from '../../src/slots/record.ts';
import { Ready } from '../../src/slots/word.ts';
import { AtomicsPort } from '../../src/sync/port.ts';

const INDEX = 3;
const LISTENER = 5;
/** As far apart as two generations must be to look alike in 13 bits, and in 10. */
const SLOT_WRAP = 2 ** 13;
const FAMILY_WRAP = 2 ** 10;

let records: SlotRecords;

beforeEach(() => {
  const layout = new Layout(8, 16);
  records = new SlotRecords(new AtomicsPort(new Int32Array(layout.length)), layout);
});

function begin(index: number, generation: number, events: number = Ready.IN, cookie = 0n): void {
  records.begin(index, generation, packConfig(0, Kind.RAW, 0), events, cookie);
}

function beginListener(index: number, generation: number): void {
  records.begin(index, generation, packConfig(0, Kind.LISTENER, 0), Ready.IN, 0n);
}

describe('the config word', () => {
  test('keeps handler, kind and traits apart', () => {
    const all = Object.values(Trait).reduce((bits, trait) => bits | trait, 0);
    for (const handler of [0, 1, MAX_HANDLERS - 1]) {
      for (const kind of Object.values(Kind)) {
        for (const traits of [0, all, ...Object.values(Trait)]) {
          const config = packConfig(handler, kind, traits);
          expect([handlerOf(config), kindOf(config), config & all]).toEqual([handler, kind, traits]);
        }
      }
    }
  });

  test('its traits are one bit each', () => {
    const traits = Object.values(Trait);
    expect(new Set(traits).size).toBe(traits.length);
    for (const trait of traits) expect(trait & (trait - 1)).toBe(0);
  });
});

describe('the cookie', () => {
  test.each([
    0n,
    1n,
    0x7fffffffn,
    0x80000000n,
    0xffffffffn,
    2n ** 32n,
    2n ** 63n,
    2n ** 64n - 1n,
    0x0123456789abcdefn,
  ])('%s comes back', (cookie) => {
    begin(INDEX, 1, Ready.IN, cookie);
    expect(records.cookie(INDEX)).toBe(cookie);
    expect(records.cookieLow(INDEX)).toBe(Number(BigInt.asIntN(32, cookie)));
  });
});

describe('the mailbox', () => {
  test('begins with the events and enabled', () => {
    begin(INDEX, 1, Ready.IN | Ready.PRI);
    expect(eventsOf(records.mailbox(INDEX))).toBe(Ready.IN | Ready.PRI);
    expect(isSilent(records.mailbox(INDEX))).toBe(false);
  });

  test('events and the disabled bit do not touch each other', () => {
    begin(INDEX, 1);
    expect(records.disable(INDEX, 1)).toBe(true);
    expect(records.askEvents(INDEX, 1, Ready.OUT)).toBe(true);
    expect([eventsOf(records.mailbox(INDEX)), isSilent(records.mailbox(INDEX))]).toEqual([Ready.OUT, true]);
    expect(records.enable(INDEX, 1)).toBe(true);
    expect([eventsOf(records.mailbox(INDEX)), isSilent(records.mailbox(INDEX))]).toEqual([Ready.OUT, false]);
  });

  test('a re-arm undoes no disable, an enable does both', () => {
    begin(INDEX, 1);
    records.hold(INDEX, 1, true);
    expect(isSilent(records.mailbox(INDEX))).toBe(true);
    records.disable(INDEX, 1);
    records.hold(INDEX, 1, false);
    expect(isSilent(records.mailbox(INDEX))).toBe(true);
    records.hold(INDEX, 1, true);
    records.enable(INDEX, 1);
    expect([eventsOf(records.mailbox(INDEX)), isSilent(records.mailbox(INDEX))]).toEqual([Ready.IN, false]);
  });

  test.each([0, 1, 8191, 8192, 2 ** 31 - 1, -1])('is for generation %i only', (generation) => {
    begin(INDEX, generation);
    const before = records.mailbox(INDEX);
    for (const other of [generation + 1, generation - 1, generation + SLOT_WRAP - 1]) {
      expect(records.askEvents(INDEX, other, Ready.OUT)).toBe(false);
      expect(records.disable(INDEX, other)).toBe(false);
    }
    expect(records.mailbox(INDEX)).toBe(before);
    expect(records.askEvents(INDEX, generation, Ready.OUT)).toBe(true);
  });

  test('of a slot is no other slot’s', () => {
    begin(INDEX, 1);
    begin(INDEX + 1, 1);
    records.disable(INDEX, 1);
    expect(isSilent(records.mailbox(INDEX + 1))).toBe(false);
  });
});

describe('the reason', () => {
  test('begins with none', () => {
    begin(INDEX, 1);
    expect(causeOf(records.reason(INDEX))).toBe(Cause.NONE);
  });

  test.each([0, 1, 42, MAX_DETAIL])('keeps the detail %i', (detail) => {
    begin(INDEX, 1);
    expect(records.giveReason(INDEX, 1, Cause.TEARDOWN, detail)).toBe(true);
    expect([causeOf(records.reason(INDEX)), detailOf(records.reason(INDEX))]).toEqual([
      Cause.TEARDOWN,
      detail,
    ]);
  });

  test('the first one stays', () => {
    begin(INDEX, 1);
    records.giveReason(INDEX, 1, Cause.TEARDOWN, 7);
    for (const later of [Cause.TEARDOWN, Cause.POOL_CLOSE, Cause.POOL_DESTROY, Cause.WORKER_DIED]) {
      expect(records.giveReason(INDEX, 1, later, 9)).toBe(true);
      expect(causeOf(records.reason(INDEX))).toBe(Cause.TEARDOWN);
      expect(detailOf(records.reason(INDEX))).toBe(7);
    }
  });

  test.each([Cause.TEARDOWN, Cause.POOL_DESTROY, Cause.WORKER_DIED, Cause.FD_GONE])(
    'but draining gives way to %i, which cannot wait',
    (cause) => {
      begin(INDEX, 1);
      records.giveReason(INDEX, 1, Cause.POOL_CLOSE, 0);
      records.giveReason(INDEX, 1, cause, 3);
      expect([causeOf(records.reason(INDEX)), detailOf(records.reason(INDEX))]).toEqual([cause, 3]);
    },
  );

  test('is for one generation, and begins anew with the next', () => {
    begin(INDEX, 4);
    expect(records.giveReason(INDEX, 3, Cause.TEARDOWN, 1)).toBe(false);
    expect(records.giveReason(INDEX, 5, Cause.TEARDOWN, 1)).toBe(false);
    expect(causeOf(records.reason(INDEX))).toBe(Cause.NONE);
    records.giveReason(INDEX, 4, Cause.TEARDOWN, 1);
    begin(INDEX, 5);
    expect(causeOf(records.reason(INDEX))).toBe(Cause.NONE);
    expect(records.giveReason(INDEX, 4, Cause.TEARDOWN, 1)).toBe(false);
  });
});

describe('the family', () => {
  const GENERATION = 9;

  beforeEach(() => {
    beginListener(LISTENER, GENERATION);
    begin(INDEX, 1);
  });

  test('a listener counts its connections', () => {
    expect(records.parent(INDEX)).toBeUndefined();
    records.joinParent(INDEX, LISTENER, GENERATION);
    expect(records.parent(INDEX)).toBe(LISTENER);
    expect(records.parentGeneration(INDEX)).toBe(GENERATION);
    expect(records.connections(LISTENER)).toBe(1);
    expect(records.leaveParent(LISTENER, GENERATION)).toBe(false);
    expect(records.connections(LISTENER)).toBe(0);
  });

  test('a connection that has got the number of a listener that ended keeps its own family', () => {
    const other = INDEX + 1;
    beginListener(LISTENER, 0);
    records.joinParent(INDEX, LISTENER, 0);
    beginListener(other, GENERATION);
    begin(LISTENER, 1);
    records.joinParent(LISTENER, other, GENERATION);
    expect(records.leaveParent(LISTENER, 0)).toBe(false);
    expect(records.parentGeneration(LISTENER)).toBe(GENERATION);
    expect(records.connections(other)).toBe(1);
  });

  test('descriptor 0 can be a listener', () => {
    beginListener(0, GENERATION);
    records.joinParent(INDEX, 0, GENERATION);
    expect(records.parent(INDEX)).toBe(0);
  });

  test('the phase and the parent share a word without touching each other', () => {
    records.joinParent(INDEX, LISTENER, GENERATION);
    const all = Object.values(Phase).reduce((bits, phase) => bits | phase, 0);
    for (const phase of [all, Phase.OPENED, 0]) {
      records.setPhase(INDEX, phase);
      expect([records.phase(INDEX), records.parent(INDEX)]).toEqual([phase, LISTENER]);
    }
  });

  test('a connection that leaves tells whether the listener waits for room, once', () => {
    for (const index of [INDEX, INDEX + 1]) records.joinParent(index, LISTENER, GENERATION);
    records.starve(LISTENER);
    expect(records.connections(LISTENER)).toBe(2);
    expect(records.leaveParent(LISTENER, GENERATION)).toBe(true);
    expect(records.leaveParent(LISTENER, GENERATION)).toBe(false);
  });

  test('a listener that has ended is not touched', () => {
    records.joinParent(INDEX, LISTENER, GENERATION);
    beginListener(LISTENER, GENERATION + 1);
    records.joinParent(INDEX + 1, LISTENER, GENERATION + 1);
    records.starve(LISTENER);
    expect(records.leaveParent(LISTENER, GENERATION)).toBe(false);
    expect(records.connections(LISTENER)).toBe(1);
    expect(records.leaveParent(LISTENER, GENERATION + 1)).toBe(true);
  });

  test('the count never goes below zero', () => {
    expect(records.leaveParent(LISTENER, GENERATION)).toBe(false);
    expect(records.connections(LISTENER)).toBe(0);
  });

  test.each([FAMILY_WRAP - 1, FAMILY_WRAP, 2 ** 31 - 1, -1])('its generation may be %i', (generation) => {
    beginListener(LISTENER, generation);
    records.joinParent(INDEX, LISTENER, generation);
    expect(records.leaveParent(LISTENER, generation + 1)).toBe(false);
    records.starve(LISTENER);
    expect(records.leaveParent(LISTENER, generation)).toBe(true);
    expect(records.connections(LISTENER)).toBe(0);
  });
});

describe('the rest', () => {
  test('blocks and the running mark are forgotten by the next registration', () => {
    begin(INDEX, 1);
    records.setInput(INDEX, 11);
    records.setOutput(INDEX, 12);
    expect(records.exchangeRunning(INDEX, 4)).toBe(0);
    expect([records.input(INDEX), records.output(INDEX)]).toEqual([11, 12]);
    begin(INDEX, 2);
    expect([records.input(INDEX), records.output(INDEX)]).toEqual([0, 0]);
    expect(records.exchangeRunning(INDEX, 4)).toBe(0);
  });

  test('a second handler of a slot is seen by its mark', () => {
    begin(INDEX, 1);
    expect(records.exchangeRunning(INDEX, 1)).toBe(0);
    expect(records.exchangeRunning(INDEX, 2)).toBe(1);
  });
});
