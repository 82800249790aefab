// Handlers of what attached Workers post and register.
import { defineHandlers } from 'wakeone/worker';
import { count, note, openJournal, waitAtGate } from './journal.mjs';

/** Counters. */
const POSTS = 1;
const ITEMS = 2;
const GATE = 3;
const HELD = 4;
const LATE = 5;
const LASTS = 6;
const DELIVERIES = 7;
const VALUES = 8;

let ended = new Int32Array(1);

export default defineHandlers(
  {
    counts: (event) => void count(POSTS, event.value),
    item: (event) => void count(ITEMS, event.value),
    /** Ends when it is readable. */
    quiet(event) {
      if (event.readable) event.teardown();
    },
    /** Notes last deliveries, and any delivery of what had ended before it. */
    churned(event) {
      const cookie = Number(event.cookie);
      if (cookie !== 0 && Atomics.load(ended, cookie % ended.length) === cookie) count(LATE);
      if (event.last) count(LASTS);
      else count(DELIVERIES);
      count(VALUES, event.value);
      if (event.readable) event.read();
    },
    /** Each holds its worker until the gate opens. */
    held() {
      count(HELD);
      waitAtGate(GATE);
    },
    told(event) {
      note({
        on: 'told',
        value: event.value,
        readable: event.readable,
        last: event.last,
        reason: event.reason,
      });
      if (event.readable) event.read();
    },
  },
  {
    init(workerData) {
      openJournal(workerData);
      if (workerData.ended !== undefined) ended = new Int32Array(workerData.ended);
    },
  },
);
