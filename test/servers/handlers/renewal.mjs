// Handlers of a pool whose epoll set is replaced beneath them.
import { setTimeout as after } from 'node:timers/promises';
import { defineHandlers } from 'wakeone/worker';
import { count, openJournal } from './journal.mjs';

const BANG = 33;
const TILDE = 126;
/** Counter of the journal: the sum of what was written to eventfds. */
const VALUE = 0;

export default defineHandlers(
  {
    /** Says which descriptor it has, and echoes; `!` ends it, `~` makes it slow. */
    echo: {
      open(conn) {
        conn.write(`${conn.fd}\n`);
      },
      async data(conn) {
        const input = Buffer.from(conn.read());
        if (input[0] === BANG) {
          conn.destroy();
          return;
        }
        if (input[0] === TILDE) await after(150);
        conn.write(input);
      },
    },
    counter(event) {
      for (let bytes = event.read(); bytes !== null && bytes.length > 0; bytes = event.read())
        count(VALUE, Number(bytes.readBigUInt64LE()));
    },
  },
  { init: openJournal },
);
