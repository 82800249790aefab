/**
 * The face of the explorer: explore a program, claim that it holds, or that it does not.
 *
 * A new exploration: virtual threads whose bodies make the real objects over their port and call them; loops as rounds
 * (`return again(n)`), so that histories that meet become one state; private notes in silent words; a system call as
 * one `update`; an `end` that looks at the words, or carries the world on through `view.port` until nothing moves.
 * parking-world.ts (threads that sleep for ever) and slot-world.ts (bounded turns, then carried on) show the two ways.
 * Begin with few turns and `preemptions: 2`, and read the numbers that WAKEONE_EXPLORER=1 tells. WAKEONE_STRESS=1 looks
 * one preemption deeper.
 */
import process from 'node:process';
import { expect, vi } from 'vitest';
import type { Exploration, Failure, Program } from './program.ts';
import { Search } from './search.ts';

const LONG = process.env['WAKEONE_STRESS'] === '1';

/**
 * Explores all schedules of `program` within its bounds. If one fails, the failure that is returned is one with the
 * fewest preemptions: the easiest to read.
 */
export function explore(program: Program): Exploration {
  const exploration = new Search(program).run();
  if (exploration.failure === undefined) return exploration;
  const most = Math.min(program.preemptions ?? 3, 3);
  for (let preemptions = 0; preemptions < most; preemptions++) {
    const simpler = new Search({ ...program, preemptions }).run();
    if (simpler.failure !== undefined) return { ...exploration, failure: simpler.failure };
  }
  return exploration;
}

/** Asserts that every schedule within the bounds is right, and that all of them were seen. */
export function expectHoldsWithin(program: Program): Exploration {
  const exploration = explore(program);
  expectRight(exploration);
  expect(exploration.complete, 'the exploration ran out of its budget').toBe(true);
  return exploration;
}

/**
 * The same; with WAKEONE_STRESS=1 one preemption deeper, as far as memory and time go: what is beyond that is no failure, but
 * is told.
 */
export function expectHolds(program: Program): Exploration {
  if (LONG && program.preemptions !== undefined) {
    const exploration = explore(deeper(program, program.preemptions));
    expectRight(exploration);
    if (exploration.complete) return exploration;
    process.stderr.write(
      `one preemption deeper is too large, ${exploration.states} states were right: ${testName()}\n`,
    );
  }
  return expectHoldsWithin(program);
}

function expectRight(exploration: Exploration): void {
  if (exploration.failure !== undefined) {
    const { message, trace } = exploration.failure;
    expect.fail(`${message}\n\nin this schedule:\n${trace}\n`);
  }
  expect(exploration.schedules, 'no schedule came to an end').toBeGreaterThan(0);
  tell(exploration);
}

/** Asserts that some schedule fails, with a message that matches. */
export function expectFails(program: Program, message: RegExp): Failure {
  const exploration = explore(program);
  if (exploration.failure === undefined) {
    expect.fail(`nothing was found in ${exploration.schedules} schedules (${exploration.states} states)`);
  }
  expect(exploration.failure.message).toMatch(message);
  return exploration.failure;
}

/** The same with one preemption more, which takes some ten times as long. */
function deeper(program: Program, preemptions: number): Program {
  vi.setConfig({ testTimeout: 1_800_000 });
  return { ...program, preemptions: preemptions + 1, budget: 40_000_000 };
}

/** WAKEONE_EXPLORER=1 tells how much was explored. */
function tell({ schedules, states, steps }: Exploration): void {
  if (process.env['WAKEONE_EXPLORER'] !== '1') return;
  process.stderr.write(`explored ${schedules} schedules, ${states} states, ${steps} steps: ${testName()}\n`);
}

const testName = (): string => expect.getState().currentTestName ?? '';
