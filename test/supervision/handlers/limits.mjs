// Handlers that run, block, and say how many of them run at once.
import { execFileSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { blocking, defineHandlers, workerId } from 'wakeone/worker';

/** Words of the memory that the test shares: see limits-world.ts. */
const RUNNING = 0;
const MOST = 1;
const STARTED = 2;
const OVER = 3;
const LIMIT = 4;
const SPIN_US = 5;
const GATE = 6;
const BLOCKED = 7;
const SENT = 8;
const EVENTS = 9;
const DISPOSED = 10;
const BEGUN = 11;
const TIDS = 16;
/** When a handler blocked, and when the next one started: doubles, behind the words. */
const BLOCKED_AT = 0;
const STARTED_AT = 1;

let words;
let times;

const spin = (us) => {
  const end = performance.now() + us / 1000;
  while (performance.now() < end);
};
const now = () => performance.timeOrigin + performance.now();

function enter() {
  const running = Atomics.add(words, RUNNING, 1) + 1;
  for (;;) {
    const most = Atomics.load(words, MOST);
    if (most >= running || Atomics.compareExchange(words, MOST, most, running) === most) return running;
  }
}
const leave = () => Atomics.sub(words, RUNNING, 1);

/** Waits until the test has sent another request. */
function untilSent() {
  Atomics.store(words, BEGUN, 1);
  const end = performance.now() + 10_000;
  while (Atomics.load(words, SENT) === 0 && performance.now() < end);
  // Time for it to become a hint.
  spin(2000);
}

const pass = () => Atomics.wait(words, GATE, 0, 10_000);

function block(how) {
  untilSent();
  Atomics.store(words, BLOCKED, 1);
  Atomics.notify(words, BLOCKED);
  times[BLOCKED_AT] = now();
  how();
}

function attempt(call) {
  try {
    return call();
  } catch (error) {
    return `${error.name} ${error.code ?? error.message}`;
  }
}

export default defineHandlers(
  {
    /** Uses the CPU for a while. */
    spins: {
      data(connection) {
        times[STARTED_AT] = now();
        if (enter() > Atomics.load(words, LIMIT)) Atomics.add(words, OVER, 1);
        Atomics.add(words, STARTED, 1);
        spin(Atomics.load(words, SPIN_US));
        leave();
        connection.write(connection.read());
      },
    },
    /** Uses the CPU, sleeps and says so, uses the CPU. */
    pauses: {
      data(connection) {
        if (enter() > Atomics.load(words, LIMIT)) Atomics.add(words, OVER, 1);
        Atomics.add(words, STARTED, 1);
        spin(300);
        leave();
        blocking(() => Atomics.wait(words, TIDS - 1, 0, 2));
        enter();
        spin(300);
        leave();
        connection.write(connection.read());
      },
    },
    /** Blocks at the gate, and says so. */
    declares: {
      data(connection) {
        block(() => blocking(pass));
        connection.write(connection.read());
      },
    },
    /** Blocks at the gate. */
    blocks: {
      data(connection) {
        block(pass);
        connection.write(connection.read());
      },
    },
    /** Waits for a program. */
    runs: {
      data(connection) {
        block(() => execFileSync('sleep', ['1']));
        connection.write(connection.read());
      },
    },
    /** Never reads what is there. */
    always() {
      Atomics.add(words, EVENTS, 1);
    },
    /** Says what blocking() does with what it is given. */
    rules: {
      data(connection) {
        connection.consume();
        const answers = [
          blocking(() => 'value'),
          attempt(() =>
            blocking(() => {
              throw new RangeError('mine');
            }),
          ),
          blocking(() => blocking(() => 'nested')),
          attempt(() => blocking('no function')),
          attempt(() => blocking(async () => {})),
          attempt(() => blocking(() => Promise.reject(new Error('unheard')))),
        ];
        connection.end(JSON.stringify(answers));
      },
    },
  },
  {
    init({ memory }) {
      words = new Int32Array(memory);
      times = new Float64Array(memory, 512);
      words[TIDS + workerId()] = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
      blocking(() => {});
    },
    dispose() {
      Atomics.add(words, DISPOSED, 1);
    },
  },
);
