// Handlers of what attached Workers post and register.
import { defineHandlers } from 'wakeone/worker';
import { count, note, openJournal, waitAtGate } from './journal.mjs';

/** Counters. */
const POSTS = 1;
const ITEMS = 2;
const GATE = 3;
const HELD = 4;

export default defineHandlers(
  {
    counts: (event) => void count(POSTS, event.value),
    item: (event) => void count(ITEMS, event.value),
    /** Ends when it is readable. */
    quiet(event) {
      if (event.readable) event.teardown();
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
  { init: openJournal },
);
