// Connections and descriptors with timeouts.
import { defineHandlers } from 'wakeone/worker';
import { count, note, openJournal, waitAtGate } from './journal.mjs';

/** Counters. */
const TIMEOUTS = 1;
const GATE = 2;
const EARLY = 3;
const DATA = 4;

const now = () => Number(process.hrtime.bigint()) / 1e6;

/** By number of the descriptor: when its last data handler ended, and how many timeouts there were since. */
let moments;
let idleMs = 0;

const closed = (connection, reason) => note({ on: 'close', at: now(), fd: connection.fd, ...reason });

/** Takes whole lines; a part of one stays unread. */
function lines(connection) {
  for (let end; (end = connection.input.indexOf(10)) >= 0;) connection.write(connection.read(end + 1));
}

const noted = (connection, kind) => {
  note({ on: 'timeout', at: now(), fd: connection.fd, kind });
  count(TIMEOUTS);
};

export default defineHandlers(
  {
    /** Without a timeout handler. */
    plain: {
      open: (connection) => note({ on: 'open', ...connection.registration.id }),
      data: lines,
      close: closed,
    },
    /** Goes on after a timeout, and says so. */
    goesOn: {
      open: (connection) => note({ on: 'open', ...connection.registration.id }),
      data: lines,
      timeout(connection, kind) {
        noted(connection, kind);
        try {
          connection.write(`${kind}\n`);
        } catch {
          // The pool has ended our side already.
        }
      },
      close: closed,
    },
    /** Async, and ends with an answer. */
    endsLater: {
      data: lines,
      async timeout(connection, kind) {
        noted(connection, kind);
        await new Promise((resolve) => setTimeout(resolve, 5));
        connection.end('too late\n');
      },
      close: closed,
    },
    throws: {
      timeout(connection, kind) {
        throw new Error(`after ${kind}`);
      },
      close: (connection, reason) =>
        closed(connection, { type: reason.type, message: reason.error?.message }),
    },
    /** Its data handler is held until the gate opens. */
    slow: {
      data(connection) {
        connection.consume();
        note({ on: 'begins', at: now() });
        waitAtGate(GATE);
        note({ on: 'ends', at: now() });
      },
      timeout: noted,
      close: closed,
    },
    /** Sets its deadline when it is told to: a number, or "none". */
    sets: {
      data(connection) {
        const text = connection.read().toString();
        connection.deadline(text === 'none' ? undefined : Number(text));
        connection.write(`${now()}\n`);
      },
      timeout: noted,
      close: closed,
    },
    /** Sets its idle timeout when it is told to: a number, or "none". */
    idles: {
      data(connection) {
        const text = connection.read().toString();
        connection.idleTimeout(text === 'none' ? undefined : Number(text));
        connection.write(`${now()}\n`);
      },
      close: closed,
    },
    /** Sends until the client is too slow. */
    floods: {
      open: (connection) => {
        while (connection.write(Buffer.alloc(65_536)));
        note({ on: 'flooded', waiting: connection.outputLength });
      },
      drain(connection) {
        while (connection.write(Buffer.alloc(65_536)));
      },
      close: closed,
    },
    /** Checks each timeout against the data before it. */
    races: {
      open(connection) {
        moments[connection.fd * 2] = now();
        moments[connection.fd * 2 + 1] = 0;
      },
      data(connection) {
        connection.write(connection.read());
        count(DATA);
        moments[connection.fd * 2 + 1] = 0;
        moments[connection.fd * 2] = now();
      },
      timeout(connection) {
        const silentMs = now() - moments[connection.fd * 2];
        // Each timeout of one silence is a whole idle time.
        const nth = ++moments[connection.fd * 2 + 1];
        if (silentMs < idleMs * nth) count(EARLY);
        count(TIMEOUTS);
      },
    },
    raw(event) {
      note({
        on: 'raw',
        at: now(),
        timeout: event.timeout,
        got: event.readable && !event.last ? event.read()?.length : 0,
        value: event.value,
        last: event.last,
        reason: event.reason,
      });
      if (event.last) return;
      if (event.value === 7) event.deadline(20);
      if (event.value === 8) event.deadline(undefined);
      if (event.timeout === 'deadline') event.teardown(9);
    },
  },
  {
    init(workerData) {
      openJournal(workerData);
      if (workerData.moments !== undefined) moments = new Float64Array(workerData.moments);
      idleMs = workerData.idleMs;
    },
  },
);
