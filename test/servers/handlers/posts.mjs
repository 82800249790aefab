// Handlers of user events, posted items and triggers.
import { setTimeout as after } from 'node:timers/promises';
import { defineHandlers, post, userEvent, workerId } from 'wakeone/worker';
import { count, note, openJournal, waitAtGate } from './journal.mjs';

/** Counters. */
const CALLS = 1;
const SUM = 2;
const GATE = 3;
const INSIDE = 4;
const TOGETHER = 5;
const LAST = 6;
const OVERLAP = 7;
const TAKEN = 8;

const tally = (event) => {
  if (event.last) count(LAST);
  else count(CALLS);
  count(SUM, event.value);
};

export default defineHandlers(
  {
    tally,
    told(event) {
      note({
        on: 'told',
        value: event.value,
        last: event.last,
        reason: event.reason,
        cookie: String(event.cookie),
      });
    },
    /** Holds its first delivery until the gate opens. */
    held(event) {
      if (count(INSIDE) === 0) waitAtGate(GATE);
      note({ on: 'held', value: event.value, last: event.last });
    },
    /** Counts how many run at once; `overlaps` of one event would break G1. */
    alone(event) {
      if (count(INSIDE) !== 0) count(OVERLAP);
      tally(event);
      count(INSIDE, -1);
    },
    /** Items: two that wait for each other can only end if they run in parallel. */
    pair(event) {
      count(TOGETHER);
      note({ on: 'pair', value: event.value });
      waitAtGate(GATE);
    },
    async slow(event) {
      await after(event.value);
      note({ on: 'slow', value: event.value });
    },
    /** Wants no second delivery: is silent after each, or over after the third. */
    stops(event) {
      tally(event);
      if (event.last) note({ on: 'stops', left: event.value });
      else if (count(TAKEN) === 2) event.teardown(4);
      else event.registration.disable();
    },
    throws(event) {
      tally(event);
      if (!event.last) throw new Error(`value ${event.value}`);
    },
    /** Ends its worker at each tenth delivery. */
    dies(event) {
      if (event.last) {
        count(LAST);
        return;
      }
      if (count(CALLS) % 10 === 9) process.exit(3);
      count(TAKEN);
    },
    /** The same in the midst of others that throw, or are async; some of those end their worker too. */
    diesAnyhow(event) {
      if (event.last) {
        count(LAST);
        return undefined;
      }
      const call = count(CALLS) % 20;
      if (call === 9) process.exit(3);
      if (call === 19) return after(0).then(() => process.exit(3));
      count(TAKEN);
      if (call === 4) throw new Error('on the way');
      return call % 5 === 2 ? after(0) : undefined;
    },
    /** A chain: each item posts two until the value is used up, and tells an event by its name. */
    breeds(event) {
      userEvent('tally').post();
      for (let i = 0; i < 2 && event.value > 0; i++) if (!post('breeds', event.value - 1)) count(LAST);
      // Last: who has seen the count has all that the item does.
      count(CALLS);
    },
    connection: {
      open() {
        note({ on: 'open' });
      },
      trigger(connection, bits) {
        note({ on: 'trigger', bits, worker: workerId() });
        connection.write(`bits ${bits}\n`);
      },
      data(connection) {
        const text = connection.read().toString();
        if (text.startsWith('post')) userEvent('tally').post();
        else if (text.startsWith('self')) connection.registration.trigger(Number(text.slice(5)));
        else if (text.startsWith('id')) connection.write(`${JSON.stringify(connection.registration.id)}\n`);
      },
    },
    /** A bare descriptor that is triggered as well. */
    both(event) {
      note({ on: 'both', value: event.value, readable: event.readable, last: event.last });
      if (event.readable) event.read();
    },
  },
  { init: openJournal },
);
