/**
 * Marks: what is added is taken, whatever thread adds it and whenever; a taker that sleeps hears of it; what a vanished
 * marker left half done is made good by marking again. Scenario 71 as far as marks go.
 */
import { describe, expect, test } from 'vitest';
import { Marks, markWords } from '../../src/sync/marks.ts';
import { AtomicsPort, type Port } from '../../src/sync/port.ts';
import { expectFails, expectHolds } from '../explorer/explore.ts';
import { again, type Program, type VirtualThread } from '../explorer/program.ts';

const ANY = 0;
const SLEEPS = 1;
const BITS = 2;

const makeMarks = (port: Port, count: number): Marks => new Marks(port, { any: ANY, bits: BITS, count });
const takeAll = (marks: Marks): number[] => {
  const taken: number[] = [];
  marks.take((index) => taken.push(index));
  return taken.toSorted((a, b) => a - b);
};

describe('marks, used by one thread', () => {
  test.each([1, 31, 32, 33, 1023, 1024, 1025, 40_000])(
    'of %i indexes are taken as they were added, each once',
    (count) => {
      const marks = makeMarks(new AtomicsPort(new Int32Array(BITS + markWords(count))), count);
      expect(takeAll(marks)).toEqual([]);
      const all = [...new Set([0, 5, 30, 31, 32, 63, 1000, 1023, 1024, count - 1, count >> 1])]
        .filter((index) => index < count)
        .toSorted((a, b) => a - b);
      for (const index of [...all, ...all]) marks.add(index);
      expect(marks.isEmpty).toBe(false);
      expect(takeAll(marks)).toEqual(all);
      expect(marks.isEmpty).toBe(true);
      expect(takeAll(marks)).toEqual([]);
      for (const index of all) {
        marks.add(index);
        expect(takeAll(marks)).toEqual([index]);
      }
    },
  );
});

/** Threads that mark, and one that takes until it has nothing to do, then sleeps until somebody marks. */
function program(
  markers: readonly (readonly number[])[],
  { mortal = false, looksAgain = true }: { readonly mortal?: boolean; readonly looksAgain?: boolean } = {},
): Program {
  const mark = (port: Port, index: number): void => {
    makeMarks(port, 64).add(index);
    if (port.load(SLEEPS) === 1 && port.compareExchange(SLEEPS, 1, 0) === 1) port.notify(SLEEPS, 1);
  };
  const threads: VirtualThread[] = markers.flatMap((indexes, i): VirtualThread[] => [
    {
      name: `marker ${i}`,
      mortal,
      body: (port, self) => {
        mark(port, indexes[self.round] ?? 0);
        return self.round + 1 < indexes.length ? again(self.round + 1) : undefined;
      },
    },
    {
      name: `reaper ${i}`,
      reaps: `marker ${i}`,
      body: (port, self) => {
        mark(port, indexes[self.round] ?? 0);
        // It may have died between waking the taker and telling it.
        port.notify(SLEEPS, 1);
        return self.round + 1 < indexes.length ? again(self.round + 1) : undefined;
      },
    },
  ]);
  threads.push({
    name: 'taker',
    body: (port, self) => {
      const marks = makeMarks(port, 64);
      let found = 0;
      marks.take((index) => {
        found++;
        self.log(index);
      });
      if (found > 0) return again();
      port.store(SLEEPS, 1);
      if (!looksAgain || marks.isEmpty) port.wait(SLEEPS, 1, Number.POSITIVE_INFINITY);
      port.store(SLEEPS, 0);
      return again();
    },
  });
  return {
    threads,
    mayEndAsleep: ['taker'],
    vanishings: mortal ? 1 : 0,
    end: (view) => {
      expect(new Set(view.log('taker')), 'taken').toEqual(new Set(markers.flat()));
      expect(takeAll(makeMarks(view.port, 64)), 'left').toEqual([]);
    },
  };
}

describe('under all schedules', () => {
  test('what is marked is taken before the taker sleeps for good', () => {
    expectHolds({ ...program([[1], [1]]), preemptions: 3 });
    expectHolds({ ...program([[1], [40]]), preemptions: 3 });
    expectHolds({ ...program([[1, 33]]), preemptions: 3 });
  });

  test('what a vanished marker left is taken when it is marked again', () => {
    expectHolds({ ...program([[1], [2]], { mortal: true }), preemptions: 2 });
  });

  test('a taker that does not look again would miss a mark', () => {
    expectFails({ ...program([[1]], { looksAgain: false }), preemptions: 2 }, /taken|left/);
  });
});
