// A handler module whose init never settles.
import { defineHandlers } from 'wakeone/worker';

export default defineHandlers(
  { echo: { data: (connection) => void connection.write(connection.read()) } },
  { init: () => new Promise((resolve) => setTimeout(resolve, 60_000).unref()) },
);
