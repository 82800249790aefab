// A handler module whose init rejects, in the worker that its data names or in all.
import { defineHandlers, workerId } from 'wakeone/worker';

export default defineHandlers(
  { echo: { data: (connection) => void connection.write(connection.read()) } },
  {
    async init(workerData) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (workerData?.only === undefined || workerData.only === workerId()) throw new Error('init gave up');
    },
  },
);
