/**
 * The explorer's environment: who is woken by a notify, waits that time out, threads that vanish and their reapers,
 * words that are no point of decision, loops.
 */
import { describe, expect, test } from 'vitest';
import { expectFails, expectHoldsWithin } from './explore.ts';
import { again, type Body, type View } from './program.ts';

const COUNTER = 100;
const FLAG = 101;
const DATA = 102;
const FOREVER = Number.POSITIVE_INFINITY;

const thread = (name: string, body: Body, mortal = false) => ({ name, body, mortal });

describe('sleeping, timing out and vanishing', () => {
  test('sleepers are notified in the order in which they went to sleep', () => {
    const sleeps: Body = (port, self) => {
      self.log(port.add(COUNTER, 1));
      port.wait(FLAG, 0, FOREVER);
      self.log(-1);
      return undefined;
    };
    const wakes: Body = (port) => {
      port.notify(FLAG, 1);
      return undefined;
    };
    const woken = new Set<string>();
    expectHoldsWithin({
      threads: [thread('A', sleeps), thread('B', sleeps), thread('W', wakes)],
      // Without preemptions a thread sleeps right after it has taken its number.
      preemptions: 0,
      mayEndAsleep: ['A', 'B'],
      end: (view) => {
        for (const name of ['A', 'B']) if (view.status(name) === 'done') woken.add(view.log(name).join(' '));
      },
    });
    expect([...woken]).toEqual(['0 -1']);
  });

  test('a silent word is no point of decision', () => {
    const body: Body = (port, self) => {
      self.log(port.load(DATA));
      port.add(COUNTER, 1);
      port.add(DATA, 1);
      return undefined;
    };
    const threads = [thread('A', body), thread('B', body)];
    const logs = new Set<string>();
    const end = (view: View): void => void logs.add(`${view.log('A').join()}${view.log('B').join()}`);
    const found = expectHoldsWithin({ threads, silent: (at) => at === DATA, prune: false, end });
    expect(found.schedules).toBe(2);
    // Each of the two steps comes with its look at the word and its change of it.
    expect([...logs].toSorted()).toEqual(['01', '10']);
  });

  test('a wait with a finite time can time out, as often as the program allows', () => {
    const sleeps: Body = (port, self) => {
      self.log(port.wait(FLAG, 0, 5) === 'timed-out' ? 1 : 0);
      return undefined;
    };
    expectFails({ threads: [thread('A', sleeps)] }, /deadlock/);
    const seen = new Set<string>();
    const wakes: Body = (port) => {
      port.store(FLAG, 1);
      port.notify(FLAG, 1);
      return undefined;
    };
    const end = (view: View): void => void seen.add(view.log('A').join());
    expectHoldsWithin({ threads: [thread('A', sleeps), thread('W', wakes)], timeouts: 1, end });
    expect([...seen].toSorted()).toEqual(['0', '1']);
  });

  test('a reaper runs only after its victim has vanished, and then always', () => {
    const victim: Body = (port) => {
      port.store(FLAG, 1);
      port.store(FLAG, 0);
      return undefined;
    };
    const reaper: Body = (port, self) => {
      self.log(port.exchange(FLAG, 0));
      return undefined;
    };
    const ends = new Set<string>();
    const end = (view: View): void => {
      expect(view.word(FLAG)).toBe(0);
      ends.add(`${view.status('V')} ${view.status('R')} ${view.log('R').join()}`);
    };
    const threads = [thread('V', victim, true), { name: 'R', body: reaper, reaps: 'V' }];
    expectHoldsWithin({ threads, vanishings: 1, end });
    expect([...ends].toSorted()).toEqual(['done dormant ', 'vanished done 0', 'vanished done 1']);
    expectFails(
      { threads: threads.slice(0, 1), vanishings: 1, end: (view) => expect(view.word(FLAG)).toBe(0) },
      /to be/,
    );
  });

  test('a thread may vanish while it sleeps, and after it was notified: then nobody else gets its wake-up', () => {
    const sleeps: Body = (port, self) => {
      port.wait(FLAG, 0, FOREVER);
      port.load(DATA);
      self.log(1);
      return undefined;
    };
    const wakes: Body = (port) => {
      port.notify(FLAG, 1);
      return undefined;
    };
    const ends = new Set<string>();
    expectHoldsWithin({
      threads: [thread('A', sleeps, true), thread('B', sleeps), thread('W', wakes)],
      vanishings: 1,
      mayEndAsleep: ['A', 'B'],
      end: (view) => void ends.add(`${view.status('A')} ${view.status('B')}`),
    });
    expect([...ends].toSorted()).toEqual([
      'asleep asleep',
      'asleep done',
      'done asleep',
      'vanished asleep',
      'vanished done',
    ]);
  });

  test('a loop of rounds has finitely many states', () => {
    const worker: Body = (port) => {
      if (port.exchange(FLAG, 0) === 0) port.wait(FLAG, 0, FOREVER);
      else port.add(COUNTER, 1);
      return again();
    };
    const giver: Body = (port) => {
      port.store(FLAG, 1);
      port.notify(FLAG, 1);
      return undefined;
    };
    const found = expectHoldsWithin({
      threads: [thread('worker', worker), thread('giver', giver)],
      mayEndAsleep: ['worker'],
      end: (view) => expect(view.word(COUNTER)).toBe(1),
    });
    expect(found.states).toBeLessThan(40);
  });
});
