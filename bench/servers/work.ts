/**
 * What a request can ask for: CPU time between its arrival and the answer. It does so by its first byte, and a server takes
 * one read for one request: the load generator sends no more before the answer.
 *
 * Work is a number of steps of xorshift32, the same in all servers (bench/native/work.h), whatever a step costs in each: a
 * loop that watches a clock would take being preempted for work done.
 */
const WORK_MARK = 0;

let result = 0;

/** Runs so many steps. */
export function workFor(steps: number): void {
  let x = -1_832_433_054; // any but 0
  for (let i = 0; i < steps; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
  }
  result ^= x; // used: the loop stays
}

/** Does what the request asks for. */
export function workIfAsked(request: Uint8Array, steps: number): void {
  if (steps !== 0 && request[0] === WORK_MARK) workFor(steps);
}

const TRIAL_STEPS = 100_000;
const TRIALS = 200;

/** Steps that take this thread a millisecond when nothing disturbs it: by the fastest of many short trials. */
export function stepsPerMs(): number {
  let fastest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < TRIALS; i++) {
    const began = performance.now();
    workFor(TRIAL_STEPS);
    fastest = Math.min(fastest, performance.now() - began);
  }
  return Math.round(TRIAL_STEPS / fastest);
}
