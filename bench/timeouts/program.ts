/**
 * What the pool does at each event of a registration with an idle timeout, in a loop on the memory of a pool, less what the
 * loop costs without it; a line of JSON per round.
 */
import { parseArgs } from 'node:util';

import { stampAt } from '../../src/slots/clock.ts';
import { NO_LIMITS } from '../../src/slots/timeouts.ts';
import { createMemory } from '../../src/slots/memory.ts';

const { values } = parseArgs({
  options: {
    slots: { type: 'string', default: '1' },
    touches: { type: 'string', default: '20000000' },
    rounds: { type: 'string', default: '7' },
  },
});
const slots = Number(values.slots);
const touches = Number(values.touches);
let sum = 0;

const memory = createMemory(slots, 2 ** Math.ceil(Math.log2(2 * slots + 2)), 2 ** 16, new Map(), 1, 0);
const { timeouts } = memory;
for (let index = 0; index < slots; index++) timeouts.begin(index, { ...NO_LIMITS, idleMs: 60_000 });
// Each slot once, at random: a Sattolo shuffle. Read one after the other, so that the loop itself waits for no memory.
const order = Int32Array.from({ length: slots }, (_, index) => index);
for (let i = slots - 1; i > 0; i--) {
  const j = Math.floor(Math.random() * i);
  const kept = order[i] ?? 0;
  order[i] = order[j] ?? 0;
  order[j] = kept;
}

run(Math.min(touches, 1_000_000));
for (let round = 0; round < Number(values.rounds); round++) {
  timeouts.setCoarse(stampAt(timeouts.clock.now())); // as the monitor does
  console.log(JSON.stringify({ nsPerTouch: run(touches) }));
  check();
}

function run(count: number): number {
  const empty = timed(() => loopEmpty(count));
  const full = timed(() => loopTouch(count));
  return ((full - empty) * 1e6) / count;
}

function timed(task: () => void): number {
  const began = performance.now();
  task();
  return performance.now() - began;
}

function loopTouch(count: number): void {
  for (let i = 0, at = 0; i < count; i++) {
    timeouts.touch(order[at] ?? 0);
    if (++at === slots) at = 0;
  }
}

function loopEmpty(count: number): void {
  let seen = 0;
  for (let i = 0, at = 0; i < count; i++) {
    seen = (seen + (order[at] ?? 0)) | 0;
    if (++at === slots) at = 0;
  }
  sum += seen; // used: the loop stays
}

/** That the loop did it: every slot has the time that is current. */
function check(): void {
  if (touches < slots) return;
  for (let index = 0; index < slots; index++) {
    if (timeouts.activity(index) !== timeouts.coarse) throw new Error(`slot ${index} was not pushed ahead`);
  }
  if (!Number.isFinite(sum)) throw new Error('the empty loop has no sum');
}
