// Handlers that say at once, on standard output, what they were called for.
import { writeSync } from 'node:fs';
import { defineHandlers } from 'wakeone/worker';

const say = (fields) =>
  writeSync(1, `${JSON.stringify({ at: Number(process.hrtime.bigint()) / 1e6, ...fields })}\n`);

export default defineHandlers({
  beat: (event) => say({ on: 'beat', value: event.value }),
  once: (event) => say({ on: 'once', value: event.value, cookie: Number(event.cookie) }),
  echo: {
    data(connection) {
      connection.write(connection.read());
      say({ on: 'data' });
    },
    close: (connection, reason) => say({ on: 'close', ...reason }),
  },
});
