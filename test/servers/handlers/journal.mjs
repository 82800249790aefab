// What handlers saw, written into shared memory: it survives the death of a worker, needs no event loop, and keeps no
// thread awake. Layout: word 0 next cell, word 1 published cells, words 16.. counters, then cells { length, JSON }.
import { workerId } from 'wakeone/worker';

export const COUNTERS_AT = 16;
export const COUNTERS = 1008;
export const CELLS_AT = 1024;
export const CELL_WORDS = 128;
/** How long a handler that blocks on a gate waits for it: a test that has failed must not hang. */
const GATE_MS = 20_000;

let words;
let bytes;

/** The `init` of a handler module: takes the journal out of the pool's `workerData`. */
export function openJournal(workerData) {
  words = new Int32Array(workerData.journal);
  bytes = new Uint8Array(workerData.journal);
}

/** Adds an entry. */
export function note(entry) {
  const text = Buffer.from(JSON.stringify({ worker: workerId(), ...entry }));
  const cell = CELLS_AT + Atomics.add(words, 0, 1) * CELL_WORDS;
  if (text.length > CELL_WORDS * 4 - 4 || cell + CELL_WORDS > words.length)
    throw new Error('journal is full');
  bytes.set(text, cell * 4 + 4);
  Atomics.store(words, cell, text.length);
  Atomics.add(words, 1, 1);
  Atomics.notify(words, 1);
}

/** Adds to a counter; returns what it was. */
export function count(counter, by = 1) {
  const before = Atomics.add(words, COUNTERS_AT + counter, by);
  Atomics.notify(words, COUNTERS_AT + counter);
  return before;
}

/** Changes a counter if it is as expected; whether it was. */
export function swap(counter, expected, value) {
  return Atomics.compareExchange(words, COUNTERS_AT + counter, expected, value) === expected;
}

/** Value of a counter. */
export function counted(counter) {
  return Atomics.load(words, COUNTERS_AT + counter);
}

/** Blocks the worker until the counter is not 0. */
export function waitAtGate(counter) {
  if (Atomics.wait(words, COUNTERS_AT + counter, 0, GATE_MS) === 'timed-out')
    throw new Error('gate stayed shut');
}
