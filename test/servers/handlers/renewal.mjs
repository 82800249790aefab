// Handlers of a pool whose epoll set is replaced beneath them.
import { setTimeout as after } from 'node:timers/promises';
import { defineHandlers } from 'wakeone/worker';
import { count, openJournal } from './journal.mjs';

/** Counters of the journal: the sum of what was written to eventfds; calls for input that is left unread; ends. */
const VALUE = 0;
const CALLS = 1;
const ENDS = 2;

/** What a piece of input asks for: its first character. */
const wordOf = (input) => String.fromCharCode(input[0]);

export default defineHandlers(
  {
    /** Says which descriptor it has, and echoes; `!` ends it, `~` makes it slow. */
    echo: {
      open(conn) {
        conn.write(`${conn.fd}\n`);
      },
      async data(conn) {
        const input = Buffer.from(conn.read());
        const word = wordOf(input);
        if (word === '!') {
          conn.destroy();
          return;
        }
        if (word === '~') await after(150);
        conn.write(input);
      },
    },
    /** Leaves what it is sent, and says so: `E` ends our side, `P` pauses, `H` writes more than may wait. */
    leaves: {
      data(conn) {
        count(CALLS);
        const word = wordOf(conn.input);
        if (word === 'E') conn.end('bye');
        else if (word === 'P') conn.pause();
        else conn.write(Buffer.alloc(4 << 20));
      },
      close() {
        count(ENDS);
      },
    },
    counter(event) {
      for (let bytes = event.read(); bytes !== null && bytes.length > 0; bytes = event.read())
        count(VALUE, Number(bytes.readBigUInt64LE()));
    },
  },
  { init: openJournal },
);
