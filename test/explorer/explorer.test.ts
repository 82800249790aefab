/**
 * The explorer itself: it sees every schedule, counts them right, and finds the classic mistakes. Scenario 90 (the
 * proofs of the other files are worth what this one shows).
 */
import { describe, expect, test } from 'vitest';
import { expectFails, expectHoldsWithin, explore } from './explore.ts';
import type { Body, Program, View } from './program.ts';

const COUNTER = 100;
const FLAG = 101;
const DATA = 102;
const FOREVER = Number.POSITIVE_INFINITY;

const steps =
  (count: number): Body =>
  (port) => {
    for (let i = 0; i < count; i++) port.load(COUNTER);
    return undefined;
  };

const thread = (name: string, body: Body, mortal = false) => ({ name, body, mortal });

/** Schedules of threads with these many steps and at most `bound` preemptions, counted by another way. */
function countSchedules(left: readonly number[], last: number, bound: number): number {
  if (left.every((rest) => rest === 0)) return 1;
  let count = 0;
  for (let id = 0; id < left.length; id++) {
    if (left[id] === 0) continue;
    const cost = id !== last && (left[last] ?? 0) > 0 ? 1 : 0;
    if (cost > bound) continue;
    const rest = left.map((value, other) => (other === id ? value - 1 : value));
    count += countSchedules(rest, id, bound - cost);
  }
  return count;
}

describe('counting', () => {
  test('two threads of three steps have (6 over 3) schedules', () => {
    const threads = [thread('A', steps(3)), thread('B', steps(3))];
    const found = expectHoldsWithin({ threads, prune: false });
    expect(found.schedules).toBe(20);
  });

  test('three threads of two steps have 6! / (2! 2! 2!) schedules', () => {
    const threads = [thread('A', steps(2)), thread('B', steps(2)), thread('C', steps(2))];
    expect(expectHoldsWithin({ threads, prune: false }).schedules).toBe(90);
  });

  test.each([0, 1, 2, 3, 4])(
    '%i preemptions allow as many schedules as a direct count says',
    (preemptions) => {
      const threads = [thread('A', steps(3)), thread('B', steps(2)), thread('C', steps(2))];
      const found = expectHoldsWithin({ threads, preemptions, prune: false });
      expect(found.schedules).toBe(countSchedules([3, 2, 2], -1, preemptions));
    },
  );

  test('a mortal thread of two steps can vanish at three places or not at all', () => {
    const found = expectHoldsWithin({ threads: [thread('A', steps(2), true)], vanishings: 1, prune: false });
    // The third place is behind its last step, where it has returned: that is no vanishing.
    expect(found.schedules).toBe(3);
  });

  test('leaving out known states changes no verdict and no final state', () => {
    const finals = (prune: boolean): string[] => {
      const seen = new Set<string>();
      const body: Body = (port, self) => {
        self.log(port.add(COUNTER, 1));
        self.log(port.load(COUNTER));
        return undefined;
      };
      const end = (view: View): void => {
        seen.add(`${view.log('A').join(' ')} | ${view.log('B').join(' ')} | ${view.log('C').join(' ')}`);
      };
      const threads = [thread('A', body), thread('B', body), thread('C', body)];
      expectHoldsWithin({ threads, prune, end });
      return [...seen].toSorted();
    };
    expect(finals(true)).toEqual(finals(false));
  });

  test('an exploration that ran out of its budget says that it is incomplete', () => {
    const found = explore({ threads: [thread('A', steps(9)), thread('B', steps(9))], budget: 50 });
    expect(found.complete).toBe(false);
    expect(found.failure).toBeUndefined();
  });
});

describe('finding', () => {
  const increment: Body = (port) => {
    port.store(COUNTER, port.load(COUNTER) + 1);
    return undefined;
  };
  const bothCount = (view: View): void => expect(view.word(COUNTER)).toBe(2);

  test('a lost update, with the schedule that loses it', () => {
    const program: Program = {
      threads: [thread('A', increment), thread('B', increment)],
      end: bothCount,
      nameOf: (at) => (at === COUNTER ? 'counter' : '?'),
    };
    const failure = expectFails(program, /expected 1 to be 2/);
    expect(failure.trace.split('\n').map((line) => line.trim())).toEqual([
      'A load counter = 0',
      '',
      'B load counter = 0',
      'B store counter := 1',
      '',
      'A store counter := 1',
    ]);
  });

  test('no lost update without a preemption', () => {
    const threads = [thread('A', increment), thread('B', increment)];
    expectHoldsWithin({ threads, end: bothCount, preemptions: 0 });
  });

  test('no lost update when the increment is atomic', () => {
    const body: Body = (port) => {
      port.update(COUNTER, (word) => word + 1);
      return undefined;
    };
    expectHoldsWithin({ threads: [thread('A', body), thread('B', body)], end: bothCount });
  });

  const sleeper: Body = (port) => {
    port.wait(FLAG, 0, FOREVER);
    return undefined;
  };

  test('a missed notify: it comes before the wait, and changes no word', () => {
    const waker: Body = (port) => {
      port.notify(FLAG, 1);
      return undefined;
    };
    expectFails({ threads: [thread('S', sleeper), thread('W', waker)] }, /deadlock: S/);
  });

  test('no missed notify when the word changes first: the comparison is atomic with going to sleep', () => {
    const waker: Body = (port) => {
      port.store(FLAG, 1);
      port.notify(FLAG, 1);
      return undefined;
    };
    expectHoldsWithin({
      threads: [thread('S', sleeper), thread('T', sleeper), thread('W', waker), thread('X', waker)],
    });
  });

  test('a deadlock of two locks that are taken in opposite order', () => {
    const lock = (port: Parameters<Body>[0], at: number): void => {
      while (port.compareExchange(at, 0, 1) !== 0) port.wait(at, 1, FOREVER);
    };
    const both =
      (first: number, second: number): Body =>
      (port) => {
        lock(port, first);
        lock(port, second);
        for (const at of [first, second]) {
          port.store(at, 0);
          port.notify(at, 1);
        }
        return undefined;
      };
    const opposite = [thread('A', both(FLAG, DATA)), thread('B', both(DATA, FLAG))];
    expectFails({ threads: opposite }, /deadlock/);
    expectHoldsWithin({ threads: [thread('A', both(FLAG, DATA)), thread('B', both(FLAG, DATA))] });
  });

  test('a thread that never comes to an end', () => {
    const spins: Body = (port) => {
      while (port.load(FLAG) === 0);
      return undefined;
    };
    expectFails({ threads: [thread('A', spins)], longest: 100 }, /no end after 101 steps/);
  });

  test('a condition that a body checks, and an invariant, at the step that breaks it', () => {
    const checks: Body = (port, self) => {
      self.check(port.add(COUNTER, 1) === 0, 'somebody else was here');
      return undefined;
    };
    expectFails({ threads: [thread('A', checks), thread('B', checks)] }, /B: somebody else was here|A: some/);
    const invariant = (view: View): void => expect(view.word(COUNTER)).toBeLessThan(2);
    expectFails(
      { threads: [thread('A', increment), thread('B', increment)], invariant },
      /to be less than 2/,
    );
  });
});
