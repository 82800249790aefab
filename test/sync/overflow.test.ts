/**
 * The overflow of a ring that is too small: no hint is lost or doubled, and none stays behind while somebody takes.
 * (Whoever vanishes meanwhile: test/reactor/deaths.test.ts.)
 * Scenarios 61, 109.
 */
import { describe, expect, test } from 'vitest';
import { Overflow } from '../../src/sync/overflow.ts';
import { AtomicsPort, type Port } from '../../src/sync/port.ts';
import { Ring } from '../../src/sync/ring.ts';
import { expectHolds } from '../explorer/explore.ts';
import { again, type Program, type VirtualThread } from '../explorer/program.ts';

const HEAD = 0;
const TAIL = 1;
const ADDED = 2;
const SWEPT = 3;
const CURSOR = 4;
const BITS = 8;
const WORDS = 3;
const CELLS = 16;

/** The queue as the dispatcher makes it of the two. */
class Queue {
  readonly ring: Ring;
  readonly overflow: Overflow;

  constructor(port: Port, capacity: number) {
    this.ring = new Ring(port, { head: HEAD, tail: TAIL, cells: CELLS, capacity });
    const place = { added: ADDED, swept: SWEPT, cursor: CURSOR, bits: BITS, words: WORDS };
    this.overflow = new Overflow(port, place);
  }

  push(hint: number): void {
    if (!this.ring.push(hint)) this.overflow.add(hint);
  }

  take(): number {
    const hint = this.ring.take();
    if (this.overflow.seemsEmpty) return hint;
    this.overflow.refill(this.ring);
    return hint === 0 ? this.ring.take() : hint;
  }

  hasWork(): boolean {
    return !this.ring.isEmpty() || !this.overflow.isEmpty;
  }
}

describe('an overflow, used by one thread', () => {
  const makeQueue = (): Queue => {
    const queue = new Queue(new AtomicsPort(new Int32Array(new SharedArrayBuffer(256))), 2);
    queue.ring.initialize();
    return queue;
  };
  const takeAll = (queue: Queue): number[] => {
    const taken: number[] = [];
    for (let hint = queue.take(); hint !== 0; hint = queue.take()) taken.push(hint);
    return taken;
  };

  test('takes what the ring refuses, counts it, and gives it back', () => {
    const queue = makeQueue();
    for (const hint of [1, 2, 5, 31, 32, 33, 95]) queue.push(hint);
    expect(queue.overflow.count).toBe(5);
    expect(takeAll(queue)).toEqual([1, 2, 5, 31, 32, 33, 95]);
    expect(queue.hasWork()).toBe(false);
  });

  test('has a hint once, however often it is added', () => {
    const queue = makeQueue();
    for (const hint of [1, 2, 3, 3, 4, 3]) queue.push(hint);
    expect(takeAll(queue)).toEqual([1, 2, 3, 4]);
    expect(queue.hasWork()).toBe(false);
  });

  test('gives back each hint within a round, though another one comes back at once', () => {
    const queue = makeQueue();
    for (const hint of [1, 2, 3, 4, 40, 70]) queue.push(hint);
    const taken: number[] = [];
    for (let i = 0; i < 24; i++) {
      const hint = queue.take();
      taken.push(hint);
      if (hint < 4) queue.push(hint);
    }
    expect(new Set(taken.slice(0, 12))).toEqual(new Set([1, 2, 3, 4, 40, 70]));
    expect(new Set(taken.slice(12))).toEqual(new Set([1, 2, 3]));
  });

  test('goes on where its cursor does not point', () => {
    const port = new AtomicsPort(new Int32Array(new SharedArrayBuffer(256)));
    for (const cursor of [0, 31, 32, 95, 96, -1, 1 << 30]) {
      const queue = new Queue(port, 2);
      queue.ring.initialize();
      port.store(CURSOR, cursor);
      for (const hint of [1, 2, 3, 64]) queue.push(hint);
      expect(takeAll(queue).toSorted((a, b) => a - b)).toEqual([1, 2, 3, 64]);
    }
  });
});

describe('under all schedules a ring of one with its overflow', () => {
  const program = (pushers: readonly (readonly number[])[], takes: readonly number[]): Program => {
    const threads: VirtualThread[] = [
      ...pushers.map((hints, i) => ({
        name: `pusher ${i}`,
        body: (port: Port, self: { readonly round: number }) => {
          new Queue(port, 1).push(hints[self.round] ?? 0);
          return self.round + 1 < hints.length ? again(self.round + 1) : undefined;
        },
      })),
      ...takes.map((count, i) => ({
        name: `taker ${i}`,
        body: (port: Port, self: { readonly round: number; log(value: number): void }) => {
          self.log(new Queue(port, 1).take());
          return self.round + 1 < count ? again(self.round + 1) : undefined;
        },
      })),
    ];
    return {
      threads,
      setup: (port) => new Queue(port, 1).ring.initialize(),
      end: (view) => {
        const queue = new Queue(view.port, 1);
        const taken = takes.flatMap((_, i) => view.log(`taker ${i}`).filter((hint) => hint !== 0));
        for (let round = 0; queue.hasWork() && round < 20; round++) {
          const hint = queue.take();
          if (hint !== 0) taken.push(hint);
        }
        expect(taken.toSorted((a, b) => a - b)).toEqual(pushers.flat().toSorted((a, b) => a - b));
      },
    };
  };

  test('gives each hint once', () => {
    expectHolds({ ...program([[1, 2, 3]], [2]) });
    expectHolds({ ...program([[1, 2], [3]], [2]), preemptions: 3 });
    expectHolds({ ...program([[1, 2, 3]], [2, 1]), preemptions: 2 });
  });

  test('gives each hint once when the estimate of its emptiness is old', () => {
    const stale = (at: number): boolean => at === ADDED || at === SWEPT || at === BITS;
    expectHolds({ ...program([[1, 2, 3]], [2, 1]), preemptions: 1, stale });
  });
});
