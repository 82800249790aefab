// Handlers that start promises, timers and I/O.
import { execFile } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { setImmediate as nextLoop, setTimeout as after } from 'node:timers/promises';
import { promisify } from 'node:util';
import { defineHandlers } from 'wakeone/worker';
import { count, note, openJournal } from './journal.mjs';

let upstream = 0;

/** What a client asks for, by the word before the space. Each answers with one line. */
const deeds = {
  timer: (ms) => after(Number(ms), `timer ${ms}`),
  async promises(many) {
    let sum = 0;
    for (let i = 0; i < Number(many); i++) sum += await Promise.resolve(1);
    return `promises ${sum}`;
  },
  async immediates(many) {
    for (let i = 0; i < Number(many); i++) await nextLoop();
    return `immediates ${many}`;
  },
  async ticks(many) {
    for (let i = 0; i < Number(many); i++) await new Promise((resolve) => process.nextTick(resolve));
    return `ticks ${many}`;
  },
  async file() {
    const text = await readFile(new URL(import.meta.url), 'utf8');
    return `file ${text.slice(0, 11)}`;
  },
  async threads() {
    const key = await promisify(pbkdf2)('password', 'salt', 1000, 8, 'sha256');
    return `threads ${key.length}`;
  },
  async socket(text) {
    const socket = connect({ port: upstream, host: '127.0.0.1' });
    await once(socket, 'connect');
    socket.write(`${text}\n`);
    const [reply] = await once(socket, 'data');
    socket.write('again\n');
    const [second] = await once(socket, 'data');
    socket.destroy();
    await once(socket, 'close');
    return `socket ${reply.toString().trim()} ${second.toString().trim()}`;
  },
  async child() {
    const { stdout } = await promisify(execFile)('echo', ['from a child']);
    return `child ${stdout.trim()}`;
  },
  async settled() {
    return 'settled';
  },
};

function lineOf(connection) {
  const { input } = connection;
  const end = input.indexOf(10);
  if (end < 0) return undefined;
  const line = input.subarray(0, end).toString();
  connection.consume(end + 1);
  return line;
}

async function serve(connection) {
  for (;;) {
    const line = lineOf(connection);
    if (line === undefined) return;
    const [deed = '', argument = ''] = line.split(' ');
    connection.write(`${await deeds[deed](argument)}\n`);
  }
}

const close = (connection, reason) =>
  note({
    on: 'close',
    fd: connection.fd,
    type: reason.type,
    detail: reason.detail,
    message: reason.error?.message,
  });

export default defineHandlers(
  {
    /** Awaits each deed. */
    deeds: { data: serve, close },
    /** Starts the deed and returns at once: what it leads to is counted. */
    started: {
      data(connection) {
        const [deed = '', argument = ''] = lineOf(connection)?.split(' ') ?? [];
        void Promise.resolve(deeds[deed](argument)).then((result) => note({ on: 'done', result }));
        connection.write('started\n');
      },
    },
    /** Timers without promises: one shot, an interval of five, all orders of the loop. */
    timers: {
      data(connection) {
        connection.consume();
        const from = performance.now();
        setTimeout(() => note({ on: 'shot', ms: performance.now() - from }), 30);
        let ticks = 0;
        const interval = setInterval(() => {
          if (++ticks === 5) clearInterval(interval);
          note({ on: 'tick', ms: performance.now() - from });
        }, 10);
        setImmediate(() => note({ on: 'immediate' }));
        queueMicrotask(() => note({ on: 'microtask' }));
        process.nextTick(() => note({ on: 'tick0' }));
        connection.write('started\n');
      },
    },
    /** Never settles. Says what becomes of its handle. */
    stuck: {
      async data(connection) {
        note({ on: 'stuck', fd: connection.fd, generation: connection.registration.generation });
        const { signal } = connection;
        signal.addEventListener('abort', () => note({ on: 'abort', code: signal.reason.code }));
        await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
      },
      close(connection, reason) {
        close(connection, reason);
      },
    },
    /** Notes when its handle has stopped to work. */
    outlived: {
      async data(connection) {
        note({ on: 'stuck', fd: connection.fd, generation: connection.registration.generation });
        for (;;) {
          await after(5);
          try {
            connection.write('.');
          } catch (error) {
            note({ on: 'revoked', code: error.code });
            return;
          }
        }
      },
      close,
    },
    /** Ends when its signal is set. */
    obedient: {
      async data(connection) {
        note({ on: 'stuck', fd: connection.fd, generation: connection.registration.generation });
        await once(connection.signal, 'abort');
        note({ on: 'obeyed', aborted: connection.signal.aborted });
        connection.write('bye');
      },
      close,
    },
    /** Hands its signal on to what it awaits, and lets the rejection through, one way or the other. */
    aborted: {
      async data(connection) {
        const how = connection.read().toString();
        note({ on: 'stuck', fd: connection.fd, generation: connection.registration.generation });
        const { signal } = connection;
        if (how === 'cause') await after(100_000, undefined, { signal });
        await once(signal, 'abort');
        if (how === 'reason') throw signal.reason;
        throw new Error('of its own');
      },
      error: (connection, error) => note({ on: 'error', message: error.message }),
      close,
    },
    async abortedEvent(event) {
      if (event.last) return note({ on: 'last', ...event.reason });
      note({ on: 'stuck' });
      await after(100_000, undefined, { signal: event.signal });
    },
    rejects: {
      async data(connection) {
        connection.consume();
        await after(1);
        throw new Error('rejected later');
      },
      close,
    },
    rejectsAtOnce: {
      async data() {
        throw new Error('rejected at once');
      },
      error: (connection, error) => note({ on: 'error', fd: connection.fd, message: error.message }),
      close,
    },
    /** Every handler is async: their order is the order of sync ones. */
    everything: {
      async open(connection) {
        note({ on: 'open', fd: connection.fd });
        await after(2);
        note({ on: 'opened', fd: connection.fd });
      },
      async data(connection) {
        const text = connection.read().toString();
        note({ on: 'data', fd: connection.fd, text });
        await after(2);
        connection.write(text);
        note({ on: 'answered', fd: connection.fd });
      },
      async end(connection) {
        note({ on: 'end', fd: connection.fd });
        await after(2);
        connection.write('!');
        note({ on: 'ended', fd: connection.fd });
      },
      async close(connection, reason) {
        note({ on: 'close', fd: connection.fd, type: reason.type });
        await after(2);
        note({ on: 'closed', fd: connection.fd });
      },
    },
    /** A handle that is kept beyond its handler. */
    keeper: {
      data(connection) {
        connection.consume();
        setTimeout(() => {
          try {
            connection.write('too late');
          } catch (error) {
            note({ on: 'late', code: error.code, usable: connection.usable });
          }
        }, 1);
        connection.write('ok\n');
      },
    },
    /** Reads after awaits: input that came meanwhile is not there before the next event. */
    pausing: {
      async data(connection) {
        connection.consume();
        connection.pause();
        await after(30);
        note({ on: 'resumed', fd: connection.fd });
        connection.resume();
      },
    },
    /** An echo. */
    echo: {
      data(connection) {
        count(1);
        connection.write(connection.read());
      },
    },
  },
  {
    init(workerData) {
      openJournal(workerData);
      upstream = workerData.upstream ?? 0;
    },
  },
);
