// A handler module with hooks that note what they were given.
import { closePool, defineHandlers } from 'wakeone/worker';
import { count, note, openJournal, waitAtGate } from '../../servers/handlers/journal.mjs';

export default defineHandlers(
  {
    echo: {
      open: () => count(1),
      data(connection) {
        connection.write(connection.read());
      },
      close(connection, reason) {
        count(2);
        note({ on: 'close', fd: connection.fd, type: reason.type });
      },
    },
    /** Holds its handler at the gate, then answers. */
    gated: {
      data(connection) {
        count(4);
        waitAtGate(3);
        connection.write(connection.read());
      },
      close: (connection, reason) => note({ on: 'close', fd: connection.fd, type: reason.type }),
    },
    /** Answers with more than the kernel takes. */
    bulk: {
      data(connection) {
        connection.consume();
        connection.write(Buffer.alloc(8 * 1024 * 1024, 'b'));
        note({ on: 'sent', left: connection.outputLength });
      },
      close: (connection, reason) => note({ on: 'close', fd: connection.fd, type: reason.type }),
    },
    /** Closes the pool. */
    closer: {
      data(connection) {
        connection.write(connection.read());
        closePool({ timeoutMs: 5000 });
      },
      close: (connection, reason) => note({ on: 'close', fd: connection.fd, type: reason.type }),
    },
    /** Never ends by itself. */
    endless: {
      data(connection) {
        note({ on: 'running', fd: connection.fd, generation: connection.registration.generation });
        for (;;);
      },
    },
    bare(event) {
      if (event.last) note({ on: 'last', fd: event.fd, type: event.reason.type });
      else event.read();
    },
  },
  {
    async init(workerData) {
      openJournal(workerData);
      await new Promise((resolve) => setTimeout(resolve, 5));
      note({ on: 'init', said: workerData.said });
    },
    dispose() {
      note({ on: 'dispose' });
    },
  },
);
