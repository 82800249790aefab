// Handlers that share memory by name, and locks in it.
import { Mutex } from 'wakeone/sync';
import { blocking, defineHandlers, shared } from 'wakeone/worker';
import { count, note, openJournal, waitAtGate } from './journal.mjs';

const READY = 1;
const DONE = 2;
const GATE = 3;
const INTRUDERS = 4;

/** Words of 'counts': the lock, then two that are equal while nobody has it, but where a thread has died. */
let words;
let lock;

const once = (name, length) => {
  try {
    return shared(name, length).length;
  } catch (error) {
    return error.code;
  }
};

function change(die) {
  if (words[1] !== words[2] && !lock.ownerDied) count(INTRUDERS);
  const next = words[1] + 1;
  words[1] = next;
  if (die) process.exit(1);
  words[2] = next;
}

export default defineHandlers(
  {
    asks: (event) =>
      note({ on: 'asked', same: shared('counts') === shared('counts', 64), value: event.value }),
    errors: () =>
      note({
        on: 'errors',
        codes: [
          once('nobody'),
          once('counts', 65),
          once('', 1),
          once('x', 0),
          once('x', 2 ** 33),
          once('x', 3),
        ],
      }),
    counts(event) {
      for (let i = 0; i < event.value; i++) lock.run(() => change(false));
      count(DONE);
    },
    dies: () => lock.run(() => change(true)),
    /** Has the lock until the gate opens. */
    holds: () =>
      lock.run(() => {
        count(READY);
        blocking(() => waitAtGate(GATE));
      }),
    async waits() {
      count(READY);
      await lock.runAsync((ownerDied) => note({ on: 'had', ownerDied }));
      count(DONE);
    },
    blocks() {
      count(READY);
      blocking(() => lock.lock());
      note({ on: 'had', ownerDied: lock.ownerDied });
      words[2] = words[1];
      lock.unlock();
      count(DONE);
    },
  },
  {
    init(workerData) {
      openJournal(workerData);
      const bytes = shared('counts', 64);
      words = new Int32Array(bytes.buffer, bytes.byteOffset, 16);
      lock = new Mutex(bytes);
      Atomics.add(words, 8, 1);
    },
  },
);
