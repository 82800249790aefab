// Does what the client says, a JSON object a line, and answers with a line; notes everything that it sees.
import { setTimeout as after } from 'node:timers/promises';
import { defineHandlers, registration, workerId } from 'wakeone/worker';
import { count, note, openJournal, waitAtGate } from './journal.mjs';

const where = (connection) => ({
  fd: connection.fd,
  generation: connection.registration.generation,
});

const answer = (connection, value) => connection.write(`${JSON.stringify(value)}\n`);

const actions = {
  who: (connection) => answer(connection, { ...where(connection), worker: workerId() }),
  say: (connection, { text }) => connection.write(text),
  send(connection, { bytes }) {
    const taken = connection.write(Buffer.alloc(bytes, 'x'));
    note({ on: 'sent', fd: connection.fd, taken, left: connection.outputLength });
  },
  fill(connection) {
    // Until backpressure, then nothing more.
    let bytes = 0;
    do bytes += 16_384;
    while (connection.write(Buffer.alloc(16_384, 'x')));
    note({ on: 'filled', fd: connection.fd, bytes, left: connection.outputLength });
  },
  overfill(connection, { bytes }) {
    for (let sent = 0; sent < bytes; sent += 65_536) connection.write(Buffer.alloc(65_536, 'x'));
  },
  addresses: (connection) =>
    answer(connection, { local: connection.localAddress, remote: connection.remoteAddress }),
  options(connection) {
    const same = connection.setNoDelay(false).setKeepAlive(77) === connection;
    answer(connection, { same });
  },
  end: (connection, { text }) => connection.end(text),
  endTwice(connection) {
    connection.end('bye');
    connection.end();
    try {
      connection.write('more');
    } catch (error) {
      note({ on: 'refused', fd: connection.fd, code: error.code });
    }
  },
  destroy: (connection) => connection.destroy(),
  fail: (connection) => connection.destroy(new Error('given up')),
  teardownSelf: (connection, { detail }) => connection.teardown(detail),
  pause: (connection) => connection.pause(),
  pauseAndEnd(connection) {
    connection.pause();
    connection.end();
  },
  keep: () => 'keep',
  hold(connection, { gate }) {
    note({ on: 'holding', ...where(connection) });
    waitAtGate(gate);
    note({ on: 'released', ...where(connection) });
    answer(connection, { held: true });
  },
  teardown(connection, { id, detail }) {
    registration(id)
      .teardown(detail)
      .then(
        () => note({ on: 'torn', fd: id.fd }),
        (error) => note({ on: 'tearError', code: error.code }),
      );
    answer(connection, { asked: true });
  },
  modify(connection, { id }) {
    try {
      registration(id).modify({ events: ['in'] });
      answer(connection, { modified: true });
    } catch (error) {
      answer(connection, { code: error.code });
    }
  },
  disable(connection, { id }) {
    registration(id).disable();
    answer(connection, { disabled: true });
  },
  enable(connection, { id }) {
    registration(id).enable();
    answer(connection, { enabled: true });
  },
  throw() {
    throw new Error('thrown by a handler');
  },
  count(connection, { counter }) {
    count(counter);
    answer(connection, {});
  },
};

function data(connection) {
  const { input } = connection;
  const end = input.indexOf(10);
  note({ on: 'data', ...where(connection), unread: input.length });
  if (end < 0) return;
  const command = JSON.parse(input.subarray(0, end).toString());
  connection.consume(end + 1);
  actions[command.do](connection, command);
  // Another whole line: nobody would call us for it before more input comes.
  if (connection.usable && connection.inputLength > 0 && command.do !== 'keep') data(connection);
}

const watch = {
  open: (connection) => note({ on: 'open', ...where(connection) }),
  data,
  drain: (connection) => note({ on: 'drain', ...where(connection), left: connection.outputLength }),
  end: (connection) => note({ on: 'end', ...where(connection), unread: connection.inputLength }),
  error: (connection, error) =>
    note({
      on: 'error',
      ...where(connection),
      code: error.code,
      message: error.message,
      syscall: error.syscall,
    }),
  close(connection, reason) {
    const { error, ...rest } = reason;
    note({ on: 'close', ...where(connection), ...rest, code: error?.code, message: error?.message });
  },
};

export default defineHandlers(
  {
    scripted: watch,
    /** Without an `error` handler: what it throws goes to the pool. */
    unguarded: { open: watch.open, data, close: watch.close },
    /** An async end: our side may still write for a while. */
    lateEnd: {
      ...watch,
      async end(connection) {
        note({ on: 'end', ...where(connection) });
        await after(20);
        connection.write('late');
      },
    },
    /** Throws in each handler that the client names at open: the first byte says which. */
    throwsInOpen: {
      open() {
        throw new Error('in open');
      },
      error: watch.error,
      close: watch.close,
    },
    throwsInClose: {
      open: watch.open,
      close() {
        count(1);
        throw new Error('in close');
      },
    },
    throwsInError: {
      data() {
        throw new Error('in data');
      },
      error() {
        throw new Error('in error');
      },
      close: watch.close,
    },
    throwsNothing: {
      data() {
        // oxlint-disable-next-line no-throw-literal, only-throw-error -- what a handler throws may be anything
        throw 'a string';
      },
      error: watch.error,
      close: watch.close,
    },
    /** What can neither be made text nor be cloned: thrown, rejected with, and returned. */
    throwsStrange: {
      data() {
        throw Object.assign(Object.create(null), { call() {} });
      },
      async error() {
        await after(1);
        throw Object.create(null);
      },
      close(connection, reason) {
        watch.close(connection, reason);
        // oxlint-disable-next-line no-thenable -- what a handler returns may be anything
        return Object.defineProperty({}, 'then', {
          get() {
            throw new Error('in then');
          },
        });
      },
    },
  },
  { init: openJournal },
);
