/** The barrier: nobody goes on before all have arrived, all do then, round after round, and who gives up is not counted. */
import { describe, expect, test } from 'vitest';
import { Barrier } from '../../src/sync/barrier.ts';
import { AtomicsPort, type Port } from '../../src/sync/port.ts';
import { block } from '../../src/sync/waiting.ts';
import { expectFails, expectHolds } from '../explorer/explore.ts';
import { StubbornBarrier } from '../explorer/mutants/robust.ts';
import { SplitPort } from '../explorer/mutants/split-port.ts';
import { again, type Body, type Program, type View } from '../explorer/program.ts';
import { DATA, OWNERS, type RobustOptions, robustProgram } from './robust-world.ts';

type Make = (port: Port, parties: number) => Barrier;
const real: Make = (port, parties) => new Barrier(port, 0, parties);

const body =
  (parties: number, rounds: number, patience: number, make: Make): Body =>
  (port, self) => {
    if (patience === Infinity) port.add(DATA, 1);
    const passed = block(port, make(port, parties).arriving(), patience);
    if (passed && patience === Infinity && rounds > 1)
      self.check(port.load(DATA) >= parties * (self.round + 1), 'it goes on before all have arrived');
    if (passed) self.log(1);
    return self.round + 1 < rounds ? again(self.round + 1) : undefined;
  };

type Play = RobustOptions & { readonly patience?: readonly number[]; readonly make?: Make };

function program(
  parties: number,
  threads: number,
  rounds: number,
  { patience = [], make = real, ...rest }: Play = {},
): Program {
  const bodies = Array.from({ length: threads }, (_, i) =>
    body(parties, rounds, patience[i] ?? Infinity, make),
  );
  return {
    ...robustProgram(bodies, { timeouts: patience.length, ...rest }),
    end: (view) => {
      if (rest.mortal !== undefined) return;
      const passed = OWNERS.slice(1, threads + 1).reduce((sum, name) => sum + view.log(name).length, 0);
      expect(passed % parties, 'so many at a time go on').toBe(0);
      expect(make(view.port, parties).arrived, 'who sleeps has arrived').toBe(asleep(view, threads));
    },
  };
}

const asleep = (view: View, threads: number): number =>
  OWNERS.slice(1, threads + 1).filter((name) => view.status(name) === 'asleep').length;

test('a barrier is closed again after each round, across all rounds that its word can count', () => {
  const words = new Int32Array(new SharedArrayBuffer(4));
  const barrier = new Barrier(new AtomicsPort(words), 0, 2);
  const start = (): ReturnType<Barrier['arriving']> => barrier.arriving();
  let rounds = 0;
  for (; rounds < 70_000; rounds++) {
    const first = start();
    const waits = first.next(false).done === false;
    const opens = start().next(false).value === true;
    if (!waits || !opens || first.next(true).value !== true) break;
  }
  expect(rounds).toBe(70_000);
  expect(barrier.arrived).toBe(0);
});

describe('under all schedules a barrier', () => {
  test('lets nobody go on before all have arrived, and forgets nobody', () => {
    expectHolds(program(2, 2, 3));
    expectHolds(program(3, 3, 2, { preemptions: 3 }));
  });

  test('counts nobody who has given up, unless the round was over', () => {
    expectHolds(program(2, 2, 1, { patience: [10], mayEndAsleep: ['A', 'B'] }));
    expectHolds(program(2, 3, 1, { patience: [10, 10], mayEndAsleep: ['A', 'B', 'C'] }));
    expectHolds(program(3, 3, 1, { patience: [10], mayEndAsleep: ['A', 'B', 'C'], preemptions: 4 }));
  });

  test('opens also if one vanishes that has arrived, the last one too', () => {
    const options = { mortal: ['A'], mayEndAsleep: ['B', 'C'], preemptions: 3 };
    expectHolds({
      ...program(2, 2, 1, options),
      end: (view) => {
        // B sleeps only if A had not arrived.
        if (view.status('B') === 'asleep') expect(view.word(0) & 0xffff).toBe(1);
      },
    });
  });
});

describe('it is found out that', () => {
  test('who gives up takes back what is another round’s', () => {
    const make: Make = (port, parties) => new StubbornBarrier(port, 0, parties);
    expectFails(
      program(2, 3, 1, { patience: [10], mayEndAsleep: ['A', 'B', 'C'], make }),
      /so many at a time|who sleeps has arrived/,
    );
  });

  test('arrivals take two steps', () => {
    const make: Make = (port, parties) => new Barrier(new SplitPort(port, (at) => at === 0), 0, parties);
    expectFails(program(2, 2, 1, { make }), /deadlock|so many at a time|who sleeps/);
  });
});
