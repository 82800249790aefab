// Handlers that leave a worker with more or less to wait for.
import { readFile } from 'node:fs/promises';
import { setTimeout as after } from 'node:timers/promises';
import { defineHandlers } from 'wakeone/worker';

/** Shut while it is 0. */
let gate;

const handlers = {
  echo: {
    data(connection) {
      connection.write(connection.read());
    },
  },
  /** One byte in, the same byte out, then the end. */
  byte: {
    data(connection) {
      connection.end(connection.read(1));
    },
  },
  /** Waits at the gate, then answers. */
  gated: {
    data(connection) {
      if (gate !== undefined) Atomics.wait(gate, 0, 0);
      connection.write(connection.read());
    },
  },
  /** Timers and I/O that are over when it answers. */
  awaits: {
    async data(connection) {
      await after(5);
      await readFile(new URL(import.meta.url));
      connection.write(connection.read());
    },
  },
  /** Timers alone. */
  timers: {
    async data(connection) {
      for (let i = 0; i < 5; i++) await after(2);
      connection.write(connection.read());
    },
  },
  /** Work that goes on for a little after the answer. */
  starts: {
    data(connection) {
      setTimeout(() => {}, 20);
      void readFile(new URL(import.meta.url));
      connection.write(connection.read());
    },
  },
  /** An async handler that waits for nothing that will come. */
  pends: {
    async data(connection) {
      connection.write(connection.read());
      await new Promise(() => {});
    },
  },
  /** A timer that is far away. */
  sleeps: {
    async data(connection) {
      connection.write(connection.read());
      await after(3_600_000);
    },
  },
};

export default defineHandlers(handlers, {
  init(workerData) {
    if (workerData?.gate !== undefined) gate = new Int32Array(workerData.gate);
  },
});
