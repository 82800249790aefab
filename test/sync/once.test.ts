/** What is done once: by one thread, before the others go on, and again by another one if that dies or fails. */
import { describe, expect, test } from 'vitest';
import { Once, Turn } from '../../src/sync/once.ts';
import type { Port } from '../../src/sync/port.ts';
import { expectFails, expectHolds } from '../explorer/explore.ts';
import { EarlyOnce } from '../explorer/mutants/robust.ts';
import type { Body, Program } from '../explorer/program.ts';
import { DATA, deathsSeen, NOTES, type RobustOptions, robustProgram } from './robust-world.ts';

type Make = (port: Port) => Once;
const real: Make = (port) => new Once(port, 0, deathsSeen(port));

const body =
  (me: number, fails: boolean, make: Make): Body =>
  (port, self) => {
    const once = make(port);
    if (once.begin(me) === Turn.DO_IT) {
      port.store(DATA, 1);
      if (!fails) port.store(DATA + 1, 1);
      port.add(NOTES, 1);
      once.end(!fails);
      if (fails) return undefined;
    }
    self.check(port.load(DATA) === 1 && port.load(DATA + 1) === 1, 'it is not done');
    self.log(1);
    return undefined;
  };

type Play = RobustOptions & { readonly make?: Make; readonly fails?: string };

function program(threads: number, { make = real, fails = '', ...rest }: Play = {}): Program {
  const bodies = Array.from({ length: threads }, (_, i) =>
    body(i + 1, fails.includes('ABC'.charAt(i)), make),
  );
  return {
    ...robustProgram(bodies, rest),
    end: (view) => {
      if (make(view.port).done) expect(view.word(DATA + 1)).toBe(1);
      if (rest.mortal === undefined && fails === '')
        expect(view.word(NOTES), 'how often it was done').toBe(1);
    },
  };
}

describe('under all schedules', () => {
  test('one thread does it, and the others wait for it', () => {
    expectHolds(program(2));
    expectHolds(program(3, { preemptions: 3 }));
  });

  test('another one does it if the first fails', () => {
    expectHolds(program(3, { fails: 'A', preemptions: 3 }));
  });

  test('another one does it if the first vanishes', () => {
    expectHolds(program(2, { mortal: ['A'] }));
    expectHolds(program(3, { mortal: ['A'], preemptions: 2 }));
  });
});

test('it is found out that it is called done when it begins', () => {
  expectFails(program(2, { make: (port) => new EarlyOnce(port, 0, deathsSeen(port)) }), /it is not done/);
});
