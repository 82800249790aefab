/** The memory of states: where records are, when they are zero, what they cost. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Kind, MAX_HANDLERS } from '../../src/slots/record.ts';
import { MAX_STATE_BYTES, reserveStates, States, type StateSizes } from '../../src/slots/states.ts';

const SLOTS = 10;
/** Three words and one for each handler, in whole lines. */
const HEADER_BYTES = Math.ceil((3 + MAX_HANDLERS) / 16) * 64;
const SIZES: StateSizes = { hash: 7, group: 24, handlers: [0, 8, 65] };

/** Two threads of one pool. */
function pair(slots = SLOTS): [States, States] {
  const buffer = reserveStates(slots);
  return [new States(buffer, slots), new States(buffer, slots)];
}

const bytesOf = (states: States): Uint8Array => new Uint8Array(states.buffer);
const recordOf = (states: States, index: number, bytes: number): number[] => {
  const at = states.offset(index);
  return [...bytesOf(states).subarray(at, at + bytes)];
};

test('has its header alone until something is declared, and then a place of whole lines for each slot', () => {
  const [worker, main] = pair();
  expect(worker.buffer.byteLength).toBe(HEADER_BYTES);
  main.begin(3, Kind.RAW, 1);
  expect(worker.declare({ hash: 5, group: 0, handlers: [0, 0] })).toBe(true);
  main.begin(3, Kind.RAW, 1);
  main.begin(3, Kind.GROUP, 0);
  expect(worker.buffer.byteLength).toBe(HEADER_BYTES);

  const [other] = pair();
  expect(other.declare(SIZES)).toBe(true);
  expect(other.buffer.byteLength).toBe(HEADER_BYTES + SLOTS * 128);
  expect([0, 1, 9].map((index) => other.offset(index) - HEADER_BYTES)).toEqual([0, 128, 9 * 128]);
});

test('is the same for all threads, whoever declares it, and however often', () => {
  const [one, two] = pair();
  expect([one.declare(SIZES), two.declare(SIZES), one.declare(SIZES)]).toEqual([true, true, true]);
  expect(two.offset(4)).toBe(one.offset(4));
  for (const different of [
    { ...SIZES, hash: 8 },
    { hash: 1, group: 0, handlers: [] },
  ])
    expect(two.declare(different)).toBe(false);
  expect(one.buffer.byteLength).toBe(HEADER_BYTES + SLOTS * 128);
});

test('a record is zeroed as far as its handler declares it, and no other', () => {
  const [worker, main] = pair();
  worker.declare(SIZES);
  const fill = (): unknown => bytesOf(worker).fill(0xff, HEADER_BYTES);
  const zeroes = (index: number): number => recordOf(worker, index, 128).filter((byte) => byte === 0).length;
  for (const [kind, handler, bytes] of [
    [Kind.CONNECTION, 0, 0],
    [Kind.CONNECTION, 1, 8],
    [Kind.RAW, 1, 8],
    [Kind.EVENT, 1, 8],
    [Kind.TIMER, 1, 8],
    [Kind.ITEM, 1, 8],
    // In whole doubles.
    [Kind.RAW, 2, 72],
    // Its handler is that of its connections.
    [Kind.LISTENER, 2, 0],
    [Kind.GROUP, 0, 24],
  ] as const) {
    fill();
    main.begin(4, kind, handler);
    expect([zeroes(3), zeroes(4), zeroes(5)]).toEqual([0, bytes, 0]);
    expect(recordOf(worker, 4, bytes)).toEqual(Array.from({ length: bytes }, () => 0));
  }
});

test('of a million descriptors costs what is touched, and nothing if nothing is declared', () => {
  const resident = (): number => Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]) * 4096;
  const slots = 2 ** 20 + 2 ** 19;
  const before = resident();
  const none = new States(reserveStates(slots), slots);
  none.declare({ hash: 1, group: 0, handlers: [0] });
  const states = new States(reserveStates(slots), slots);
  states.declare({ hash: 1, group: MAX_STATE_BYTES, handlers: [MAX_STATE_BYTES] });
  expect(states.buffer.byteLength).toBe(HEADER_BYTES + slots * MAX_STATE_BYTES);
  // All offsets are small integers.
  expect(states.offset(slots)).toBeLessThan(2 ** 31);
  for (let index = 0; index < 1000; index++) states.begin(index, Kind.CONNECTION, 0);
  states.begin(slots - 1, Kind.CONNECTION, 0);
  expect(recordOf(states, slots - 1, 4)).toEqual([0, 0, 0, 0]);
  expect(resident() - before).toBeLessThan(16 * 2 ** 20);
});
