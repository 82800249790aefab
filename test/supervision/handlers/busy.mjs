// Handlers that are in the way of an exit.
import { defineHandlers } from 'wakeone/worker';

let say;

export default defineHandlers(
  {
    echo: {
      data(connection) {
        connection.write(connection.read());
      },
    },
    blocked: {
      data() {
        say();
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      },
    },
    spinning: {
      data() {
        say();
        for (;;);
      },
    },
    asyncTimer: {
      async data() {
        say();
        await new Promise((resolve) => setTimeout(resolve, 60_000));
      },
    },
    asyncSpinning: {
      async data() {
        say();
        for (;;) await new Promise((resolve) => setImmediate(resolve));
      },
    },
  },
  {
    async init({ running, slow }) {
      const words = new Int32Array(running);
      say = () => {
        Atomics.store(words, 0, 1);
        Atomics.notify(words, 0);
      };
      if (slow) {
        say();
        await new Promise((resolve) => setTimeout(resolve, 60_000));
      }
    },
  },
);
