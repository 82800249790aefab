// Connections that leave the pool.
import { Socket } from 'node:net';
import { defineHandlers } from 'wakeone/worker';
import { note, openJournal } from './journal.mjs';

/** fd -> what was unread; the handlers of one connection may run in several workers, detach and close in one. */
const leaving = new Map();

export default defineHandlers(
  {
    leaves: {
      data(connection) {
        const { fd, input } = connection.detach();
        leaving.set(fd, input);
      },
      close(connection, reason) {
        const { fd } = connection;
        note({ on: 'close', fd, type: reason.type });
        const input = leaving.get(fd);
        leaving.delete(fd);
        setImmediate(() => {
          try {
            connection.write('no');
          } catch (error) {
            note({ on: 'refused', fd, code: error.code });
          }
          const socket = new Socket({ fd });
          socket.write(`detached:${input}and`);
          socket.on('data', (chunk) => socket.write(`net:${chunk}`));
          socket.on('end', () => socket.end());
          socket.on('error', () => {});
          socket.on('close', () => note({ on: 'socketClosed', fd }));
        });
      },
    },
    full: {
      data(connection) {
        connection.consume();
        while (connection.write(Buffer.alloc(65_536)));
        try {
          connection.detach();
        } catch (error) {
          note({ on: 'pending', fd: connection.fd, code: error.code });
        }
      },
    },
  },
  { init: openJournal },
);
