// Connections that the pool makes: by the main thread, and by workers.
import { connect, defineHandlers } from 'wakeone/worker';
import { note, openJournal } from './journal.mjs';

const told = ({ code, syscall, message }) => ({ code, syscall, message });

export default defineHandlers(
  {
    /** Says hello, and notes everything. */
    client: {
      open(connection) {
        note({ on: 'open', cookie: Number(connection.cookie), remote: connection.remoteAddress });
        connection.write('hello');
      },
      trigger: (_, bits) => note({ on: 'trigger', bits }),
      data: (connection) => note({ on: 'data', text: connection.read().toString() }),
      error: (_, error) => note({ on: 'error', ...told(error) }),
      close: (_, reason) => note({ on: 'close', type: reason.type }),
    },
    /** Only an end. */
    silent: { close: (_, reason) => note({ on: 'close', type: reason.type }) },
    /** Connects to where it is told to, `{ port }` and so on in a line. */
    caller: {
      data(connection) {
        const options = JSON.parse(connection.read().toString());
        if (options.handler === 'dies') process.exit(3);
        try {
          const { id } = connect({ handler: 'client', ...options });
          note({ on: 'connecting', id });
        } catch (error) {
          note({ on: 'thrown', ...told(error) });
        }
      },
    },
  },
  { init: openJournal },
);
