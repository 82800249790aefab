// Handlers that keep JavaScript values with what they serve.
import { defineHandlers, workerId } from 'wakeone/worker';
import { count, note, openJournal } from './journal.mjs';

/** Counters. */
const STRANGERS = 1;

const tell = (connection, text) => connection.write(`${text}\n`);

/** Answers each line with the worker, and the number of the line as the object that lives here has counted it. */
const counting = {
  open(connection) {
    if (connection.local !== undefined) count(STRANGERS);
    connection.local = { worker: workerId(), lines: 0 };
    note({ on: 'open', fd: connection.fd });
  },
  data(connection) {
    for (let end; (end = connection.input.indexOf(10)) >= 0;) {
      const line = connection
        .read(end + 1)
        .toString()
        .trim();
      if (line === 'die') process.exit(7);
      const { local } = connection;
      if (local.worker !== workerId()) count(STRANGERS);
      local.lines++;
      tell(connection, `${workerId()} ${local.lines}`);
    }
  },
  close(connection, reason) {
    note({ on: 'close', fd: connection.fd, type: reason.type, local: connection.local?.lines ?? null });
  },
};

export default defineHandlers(
  {
    counting,
    /** Members of a group that is given: the local of each. */
    member: { ...counting },
    /** Says what `local` throws. */
    any: {
      data(connection) {
        connection.consume();
        try {
          connection.local = 1;
          tell(connection, 'no error');
        } catch (error) {
          tell(connection, `${error.code} ${error.message}`);
        }
      },
    },
    /** Says what joining a group of its own throws. */
    joins: {
      data(connection) {
        connection.consume();
        try {
          connection.joinGroup();
          tell(connection, 'no error');
        } catch (error) {
          tell(connection, error.code);
        }
      },
    },
    /** A bare descriptor. */
    bare(event) {
      if (event.last) {
        note({ on: 'last', type: event.reason.type, local: event.local ?? null });
        return;
      }
      if (event.readable) event.read();
      event.local = (event.local ?? 0) + 1;
      note({ on: 'event', local: event.local });
    },
    /** What the worker itself does meanwhile. */
    busy(event) {
      const end = performance.now() + event.value;
      while (performance.now() < end);
      count(2);
    },
  },
  { init: openJournal },
);
