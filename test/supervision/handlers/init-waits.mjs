// A handler module whose init never settles.
import { defineHandlers } from 'wakeone/worker';

export default defineHandlers(
  { echo: {} },
  { init: () => new Promise((resolve) => setTimeout(resolve, 60_000).unref()) },
);
