// A TCP echo, for servers that run in processes of their own.
import { defineHandlers } from 'wakeone/worker';

export default defineHandlers({
  echo: {
    data(connection) {
      connection.write(connection.input);
      connection.consume();
    },
  },
});
