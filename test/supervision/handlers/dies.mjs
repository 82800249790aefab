// Handlers in which the worker ends.
import { defineHandlers } from 'wakeone/worker';
import { count, openJournal } from '../../servers/handlers/journal.mjs';

const close = () => count(2);

export default defineHandlers(
  {
    /** Keeps what has come until a line feed; at '!' it drops all and dies. */
    lines: {
      open: () => count(1),
      data(connection) {
        const last = connection.input.at(-1);
        count(3);
        if (last === 33) {
          connection.consume();
          process.exit(1);
        }
        if (last === 10) connection.write(connection.read());
      },
      close,
    },
    inOpen: {
      open() {
        count(1);
        process.exit(1);
      },
      close,
    },
    inClose: {
      open: () => count(1),
      close() {
        count(2);
        process.exit(1);
      },
    },
  },
  { init: openJournal },
);
