/** The allocator of shared buffers: blocks that never overlap, whatever is appended, consumed and released in what order. */
import { beforeEach, describe, expect, test } from 'vitest';
import { Buffers } from '../../src/slots/buffers.ts';
import { Mutex } from '../../src/sync/mutex.ts';
import { AtomicsPort } from '../../src/sync/port.ts';

const UNIT = 256;
const HEADER = 16;

function makeBuffers(byteLength: number): Buffers {
  const lock = new AtomicsPort(new Int32Array(new SharedArrayBuffer(64)));
  return new Buffers(new SharedArrayBuffer(byteLength), new Mutex(lock, 0), 1);
}

/** A generator that gives the same numbers for the same seed (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const bytes = (length: number, seed = 0): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (seed * 31 + i * 7) & 255);

/** Appends what must fit. */
function append(buffers: Buffers, block: number, data: Uint8Array): number {
  const result = buffers.append(block, data);
  expect(result).toBeDefined();
  return result ?? 0;
}

let buffers: Buffers;

beforeEach(() => {
  buffers = makeBuffers(1 << 20);
});

describe('a block', () => {
  test('holds what was appended, in order', () => {
    let block = append(buffers, 0, bytes(10, 1));
    block = append(buffers, block, bytes(20, 2));
    expect(buffers.lengthOf(block)).toBe(30);
    expect([...buffers.dataOf(block)]).toEqual([...bytes(10, 1), ...bytes(20, 2)]);
  });

  test('of no bytes is none', () => {
    expect(buffers.append(0, new Uint8Array(0))).toBe(0);
    expect(buffers.lengthOf(0)).toBe(0);
    expect(buffers.touchedBytes).toBe(0);
    buffers.release(0);
  });

  test('is where offsetOf says', () => {
    const block = append(buffers, 0, bytes(100, 3));
    expect(buffers.dataOf(block).byteOffset).toBe(buffers.offsetOf(block));
    buffers.consume(block, 40);
    expect(buffers.dataOf(block).byteOffset).toBe(buffers.offsetOf(block));
    expect(Buffer.from(buffers.dataOf(block)).equals(bytes(100, 3).subarray(40))).toBe(true);
  });

  test('is given back when its last byte is consumed', () => {
    const block = append(buffers, 0, bytes(100));
    expect(buffers.consume(block, 99)).toBe(block);
    expect(buffers.lentBytes()).toBe(UNIT);
    expect(buffers.consume(block, 1)).toBe(0);
    expect(buffers.lentBytes()).toBe(0);
  });

  test('uses again the room that was consumed at its front', () => {
    let block = append(buffers, 0, bytes(UNIT - HEADER, 1));
    for (let i = 0; i < 50; i++) {
      block = buffers.consume(block, 100);
      block = append(buffers, block, bytes(100, i));
    }
    expect(buffers.lengthOf(block)).toBe(UNIT - HEADER);
    expect(Buffer.from(buffers.dataOf(block).slice(-100)).equals(bytes(100, 49))).toBe(true);
    expect(buffers.lentBytes()).toBe(UNIT);
  });

  test('moves to a larger one when it is full, and leaves the smaller to others', () => {
    const small = append(buffers, 0, bytes(UNIT - HEADER, 1));
    const large = append(buffers, small, bytes(1, 2));
    expect(large).not.toBe(small);
    expect([...buffers.dataOf(large)]).toEqual([...bytes(UNIT - HEADER, 1), ...bytes(1, 2)]);
    expect(append(buffers, 0, bytes(5))).toBe(small);
  });

  test.each([1, UNIT - HEADER, UNIT - HEADER + 1, 1000, 4096 - HEADER, 4096, 60_000])(
    'of %i bytes costs the next power of two',
    (length) => {
      const block = append(buffers, 0, bytes(length));
      const cost = Math.max(UNIT, 2 ** Math.ceil(Math.log2(length + HEADER)));
      expect(buffers.lentBytes()).toBe(cost);
      buffers.release(block);
      expect(buffers.lentBytes()).toBe(0);
    },
  );
});

describe('memory that is exhausted', () => {
  test('refuses, leaves the old block as it was, and serves again when something was released', () => {
    buffers = makeBuffers(16 * UNIT);
    let block = append(buffers, 0, bytes(8 * UNIT - HEADER, 1));
    expect(buffers.append(block, bytes(8 * UNIT))).toBeUndefined();
    expect([...buffers.dataOf(block)]).toEqual([...bytes(8 * UNIT - HEADER, 1)]);
    expect(buffers.append(0, bytes(8 * UNIT))).toBeUndefined();
    buffers.release(block);
    block = append(buffers, 0, bytes(8 * UNIT - HEADER, 2));
    expect(buffers.lengthOf(block)).toBe(8 * UNIT - HEADER);
  });

  test('is used to its last unit', () => {
    buffers = makeBuffers(16 * UNIT);
    const blocks: number[] = [];
    for (let block = buffers.append(0, bytes(1)); block !== undefined; block = buffers.append(0, bytes(1)))
      blocks.push(block);
    // One unit is the header of the whole.
    expect(blocks).toHaveLength(15);
    expect(new Set(blocks.map((block) => buffers.offsetOf(block))).size).toBe(15);
    for (const block of blocks) buffers.release(block);
    expect(buffers.lentBytes()).toBe(0);
  });

  test('splits a larger block for smaller ones, and no part of it is lost', () => {
    buffers = makeBuffers(9 * UNIT);
    buffers.release(append(buffers, 0, bytes(8 * UNIT - HEADER)));
    const blocks = Array.from({ length: 8 }, (_, i) => append(buffers, 0, bytes(UNIT - HEADER, i)));
    expect(buffers.append(0, bytes(1))).toBeUndefined();
    expect(buffers.lentBytes()).toBe(8 * UNIT);
    for (const [i, block] of blocks.entries())
      expect([...buffers.dataOf(block)]).toEqual([...bytes(UNIT - HEADER, i)]);
  });

  test('refuses what is larger than the largest block', () => {
    expect(buffers.append(0, { length: 2 ** 32 } as Uint8Array)).toBeUndefined();
  });

  test('when twice the size is not to be had, what is needed is enough', () => {
    buffers = makeBuffers(8 * UNIT);
    // Three units of the eight: one in the header, one here, and four fit behind. Eight would not.
    const block = append(buffers, 0, bytes(UNIT - HEADER));
    const grown = append(buffers, block, bytes(2 * UNIT));
    expect(buffers.lengthOf(grown)).toBe(3 * UNIT - HEADER);
  });
});

describe('random use against a model', () => {
  test.each([1, 2, 3, 4, 5, 6])('seed %i', (seed) => {
    const next = random(seed);
    buffers = makeBuffers(60 * UNIT);
    const model: { block: number; content: number[] }[] = [];
    let refused = 0;
    for (let step = 0; step < 3000; step++) {
      const pick = next(model.length + 1);
      const held = model[pick];
      const act = next(10);
      if (held === undefined) {
        const data = bytes(1 + next(2 ** next(13)), step);
        const block = buffers.append(0, data);
        if (block === undefined) refused++;
        else model.push({ block, content: [...data] });
      } else if (act < 4) {
        const data = bytes(next(1500), step);
        const block = buffers.append(held.block, data);
        if (block === undefined) refused++;
        else {
          held.block = block;
          held.content.push(...data);
        }
      } else if (act < 8) {
        const count = Math.min(held.content.length, 1 + next(2000));
        held.block = buffers.consume(held.block, count);
        held.content.splice(0, count);
        if (held.content.length === 0) {
          expect(held.block).toBe(0);
          model.splice(pick, 1);
        }
      } else {
        buffers.release(held.block);
        model.splice(pick, 1);
      }
      if (held !== undefined && held.block !== 0 && model.includes(held))
        expect(Buffer.from(buffers.dataOf(held.block)).equals(Buffer.from(held.content))).toBe(true);
    }
    const ranges = model
      .map(({ block }) => ({
        from: buffers.offsetOf(block),
        to: buffers.offsetOf(block) + buffers.lengthOf(block),
      }))
      .toSorted((a, b) => a.from - b.from);
    for (const [i, range] of ranges.entries())
      expect(range.to).toBeLessThanOrEqual(ranges[i + 1]?.from ?? 2 ** 32);
    for (const { block, content } of model) {
      expect(Buffer.from(buffers.dataOf(block)).equals(Buffer.from(content))).toBe(true);
      buffers.release(block);
    }
    expect(buffers.lentBytes()).toBe(0);
    // A run that never met the limit would prove nothing about it.
    expect(refused).toBeGreaterThan(0);
  });
});
