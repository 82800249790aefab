/**
 * The overflow of a ring that is too small: no hint is lost or doubled, and none stays behind while somebody takes.
 * Scenarios 61, 109.
 */
import { describe, expect, test } from 'vitest';
import { Mutex } from '../../src/sync/mutex.ts';
import { Overflow } from '../../src/sync/overflow.ts';
import { AtomicsPort, type Port } from '../../src/sync/port.ts';
import { Ring } from '../../src/sync/ring.ts';
import { expectHolds } from '../explorer/explore.ts';
import { again, type Program, type VirtualThread } from '../explorer/program.ts';

const HEAD = 0;
const TAIL = 1;
const FRESH = 2;
const TURNED = 3;
const COUNT = 4;
const LOCK = 5;
const LINKS = 8;
const CELLS = 16;

/** The queue as the dispatcher makes it of the two. */
class Queue {
  readonly ring: Ring;
  readonly overflow: Overflow;

  constructor(port: Port, capacity: number, me: number) {
    this.ring = new Ring(port, { head: HEAD, tail: TAIL, cells: CELLS, capacity });
    const place = { fresh: FRESH, turned: TURNED, count: COUNT, link: LINKS, stride: 1 };
    this.overflow = new Overflow(port, place, new Mutex(port, LOCK), me);
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
  test('takes what the ring refuses, counts it, and gives it back in order', () => {
    const queue = new Queue(new AtomicsPort(new Int32Array(new SharedArrayBuffer(256))), 2, 1);
    queue.ring.initialize();
    for (const hint of [1, 2, 3, 4, 5]) queue.push(hint);
    expect(queue.overflow.count).toBe(3);
    expect([1, 2, 3, 4, 5, 6].map(() => queue.take())).toEqual([1, 2, 3, 4, 5, 0]);
    expect(queue.hasWork()).toBe(false);
  });
});

describe('under all schedules a ring of one with its overflow', () => {
  const program = (pushers: readonly (readonly number[])[], takes: readonly number[]): Program => {
    const threads: VirtualThread[] = [
      ...pushers.map((hints, i) => ({
        name: `pusher ${i}`,
        body: (port: Port, self: { readonly round: number }) => {
          new Queue(port, 1, i + 1).push(hints[self.round] ?? 0);
          return self.round + 1 < hints.length ? again(self.round + 1) : undefined;
        },
      })),
      ...takes.map((count, i) => ({
        name: `taker ${i}`,
        body: (port: Port, self: { readonly round: number; log(value: number): void }) => {
          self.log(new Queue(port, 1, 10 + i).take());
          return self.round + 1 < count ? again(self.round + 1) : undefined;
        },
      })),
    ];
    return {
      threads,
      setup: (port) => new Queue(port, 1, 20).ring.initialize(),
      end: (view) => {
        const queue = new Queue(view.port, 1, 20);
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
    const stale = (at: number): boolean => at === FRESH || at === TURNED;
    expectHolds({ ...program([[1, 2, 3]], [2, 1]), preemptions: 1, stale });
  });
});
