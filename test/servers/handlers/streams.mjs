// Handlers that move bytes.
import { createHash } from 'node:crypto';
import { setImmediate as nextLoop } from 'node:timers/promises';
import { defineHandlers, workerId } from 'wakeone/worker';
import { count, counted, note, openJournal, waitAtGate } from './journal.mjs';

/** Most that one connection ever had unsent, in KiB: a counter. */
export const MOST_UNSENT = 1;
export const DRAINS = 2;
export const DATA_ABOVE_MARK = 3;
const hashes = new Map();

const echo = {
  data(connection) {
    connection.write(connection.input);
    connection.consume();
  },
};

export default defineHandlers(
  {
    echo,
    asyncEcho: {
      async data(connection) {
        const bytes = connection.read();
        if (bytes.length % 3 === 0) await nextLoop();
        if (bytes.length % 3 === 1) await Promise.resolve();
        connection.write(bytes);
      },
    },
    /** Echo that keeps a CPU busy for as many milliseconds as the first byte says. */
    busy: {
      data(connection) {
        const bytes = connection.read();
        const end = performance.now() + bytes[0];
        while (performance.now() < end);
        connection.write(bytes);
      },
    },
    /** Echo that watches its backpressure. */
    watched: {
      data(connection) {
        if (connection.outputLength > 0) count(DATA_ABOVE_MARK);
        const more = connection.write(connection.read());
        const { outputLength } = connection;
        if (more !== outputLength < 65_536) note({ on: 'wrong', more, outputLength });
        note({ on: 'unsent', bytes: outputLength });
      },
      drain(connection) {
        count(DRAINS);
        if (connection.outputLength !== 0) note({ on: 'wrong', drained: connection.outputLength });
      },
    },
    /** A message is a length in four bytes and so many bytes; the answer is the worker and the sum. Leaves rests unread. */
    frames: {
      data(connection) {
        for (;;) {
          const { input } = connection;
          note({ on: 'part', fd: connection.fd, unread: input.length });
          if (input.length < 4) return;
          const end = 4 + input.readUInt32BE(0);
          if (input.length < end) return;
          const sum = createHash('sha256').update(input.subarray(4, end)).digest('hex');
          connection.consume(end);
          connection.write(`${workerId()} ${sum}\n`);
        }
      },
    },
    /** Reads `read(7)` bytes at a time, and says so. */
    sevens: {
      data(connection) {
        while (connection.inputLength >= 7) connection.write(`${connection.read(7).toString('latin1')}|`);
        if (connection.read(0).length !== 0) throw new Error('read(0) read something');
      },
      end(connection) {
        connection.write(`${connection.read().toString('latin1')}.`);
      },
    },
    /** Takes everything, answers the end with the number of bytes and sends a body. */
    upload: {
      open: (connection) => hashes.set(connection.fd, 0),
      data(connection) {
        note({ on: 'got', fd: connection.fd, bytes: connection.read().length });
      },
      end(connection) {
        note({ on: 'end', fd: connection.fd });
        connection.end(Buffer.alloc(10 * 1024 * 1024, 'z'));
      },
      close: (connection, reason) => note({ on: 'close', fd: connection.fd, type: reason.type }),
    },
    /** Reads nothing, for ever. */
    hoard: {
      data: (connection) => note({ on: 'unread', bytes: connection.inputLength }),
      close: (connection, reason) => note({ on: 'close', fd: connection.fd, type: reason.type }),
    },
    /** Counts what it gets, and blocks once it has got so many bytes. */
    stops: {
      data(connection) {
        const before = count(4, connection.inputLength);
        const stop = counted(6);
        if (before < stop && before + connection.inputLength >= stop) {
          count(7);
          waitAtGate(8);
        }
        connection.consume();
      },
    },
    /** Counts what it gets. */
    sink: {
      data(connection) {
        count(4, connection.inputLength);
        connection.consume();
      },
      close: () => count(5),
    },
  },
  { init: openJournal },
);
