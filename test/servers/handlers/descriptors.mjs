// Handlers of bare descriptors.
import { setTimeout as after } from 'node:timers/promises';
import { defineHandlers } from 'wakeone/worker';
import { count, note, openJournal, waitAtGate } from './journal.mjs';

/** Counters. */
const HANDLED = 1;
const LAST = 2;
const GATE = 3;
const BYTES = 4;
const WAITING = 5;
/** One counter for each descriptor from here on. */
const EACH = 16;

const state = (event) => ({
  fd: event.fd,
  cookie: String(event.cookie),
  readable: event.readable,
  writable: event.writable,
  priority: event.priority,
  hangup: event.hangup,
  error: event.error,
  peerEnded: event.peerEnded,
});

export default defineHandlers(
  {
    /** Reads an eventfd (or whatever it is) once and counts. */
    drain(event) {
      if (event.last) {
        count(LAST);
        return;
      }
      // An edge-triggered descriptor that was not read up to EAGAIN is delivered again: that is not counted.
      if (event.read() === null) return;
      if (event.fd + EACH < 1008) count(EACH + event.fd);
      count(HANDLED);
    },
    /** Reads until there is nothing, and counts the bytes. */
    pump(event) {
      if (event.last) {
        count(LAST);
        return;
      }
      for (;;) {
        const chunk = event.read();
        if (chunk === null) return;
        if (chunk.length === 0) {
          event.teardown();
          return;
        }
        count(BYTES, chunk.length);
      }
    },
    /** Notes the delivery and ends the registration. */
    once(event) {
      if (event.last) {
        note({ on: 'last', fd: event.fd, reason: event.reason.type });
        return;
      }
      note({ on: 'event', ...state(event) });
      event.teardown();
    },
    /** Notes the delivery with what can be read, and goes on. */
    watch(event) {
      if (event.last) {
        note({ on: 'last', fd: event.fd, reason: event.reason.type, detail: event.reason.detail });
        return;
      }
      const seen = state(event);
      let text;
      let code;
      try {
        text = event.readable ? (event.read()?.toString() ?? null) : undefined;
      } catch (error) {
        code = error.code;
      }
      note({ on: 'event', ...seen, text, code });
    },
    /** Says PRI apart from data: reads data only in a delivery of its own. */
    urgent(event) {
      if (event.last) return;
      const text = event.readable ? (event.read()?.toString() ?? '') : '';
      note({ on: 'event', priority: event.priority, readable: event.readable, text });
      // Nothing can take the urgent byte away here: look no more for it.
      if (event.priority) event.registration.modify({ events: ['in'] });
    },
    /** With `rearm: 'manual'`: counts, stays silent until somebody enables it. Leaves the fd readable. */
    silent(event) {
      count(event.last ? LAST : HANDLED);
    },
    /** Waits at the gate with the fd unread. */
    gated(event) {
      if (event.last) {
        count(LAST);
        return;
      }
      count(WAITING);
      waitAtGate(GATE);
      if (event.read() !== null) count(HANDLED);
    },
    async slow(event) {
      if (event.last) return;
      await after(5);
      if (event.read() !== null) count(HANDLED);
    },
  },
  { init: openJournal },
);
