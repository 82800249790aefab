/** The face of the explorer: explore a program, claim that it holds, or that it does not. */
import process from 'node:process';
import { expect } from 'vitest';
import type { Exploration, Failure, Program } from './program.ts';
import { Search } from './search.ts';

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
export function expectHolds(program: Program): Exploration {
  const exploration = explore(program);
  if (exploration.failure !== undefined) {
    const { message, trace } = exploration.failure;
    expect.fail(`${message}\n\nin this schedule:\n${trace}\n`);
  }
  expect(exploration.complete, 'the exploration ran out of its budget').toBe(true);
  expect(exploration.schedules, 'no schedule came to an end').toBeGreaterThan(0);
  tell(exploration);
  return exploration;
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

/** WAKEONE_EXPLORER=1 tells how much was explored. */
function tell({ schedules, states, steps }: Exploration): void {
  if (process.env['WAKEONE_EXPLORER'] !== '1') return;
  const name = expect.getState().currentTestName ?? '';
  process.stderr.write(`explored ${schedules} schedules, ${states} states, ${steps} steps: ${name}\n`);
}
