// Workers that die in a handler.
import { defineHandlers } from 'wakeone/worker';
import { count, note, openJournal } from './journal.mjs';

const OPENED = 1;

export default defineHandlers(
  {
    /** The first connection's `open` ends its worker; the others are echoes. */
    first: {
      open() {
        if (count(OPENED) === 0) process.exit(3);
      },
      data(connection) {
        connection.write(connection.read());
      },
      close(connection, reason) {
        note({ on: 'close', type: reason.type });
      },
    },
    /** Leaves its input unread, takes it at the second byte, and ends the worker. */
    reader: {
      data(connection) {
        if (connection.inputLength < 2) return;
        connection.consume();
        process.exit(3);
      },
      close(connection, reason) {
        note({ on: 'close', type: reason.type, left: connection.inputLength });
      },
    },
  },
  { init: openJournal },
);
