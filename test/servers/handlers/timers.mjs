// Handlers of timers. Moments are nanoseconds of the machine's monotonic clock: the same in every thread.
import { defineHandlers, registration, startTimer, timer } from 'wakeone/worker';
import { count, note, openJournal, waitAtGate } from './journal.mjs';

/** Counters. */
const FIRED = 1;
const EARLY = 2;
const TWICE = 3;
const GATE = 4;
const INSIDE = 5;
const OVERLAP = 6;
const PERIODS = 7;

/** By cookie, two words each: not before, fired at. */
let table;

const now = () => process.hrtime.bigint();

function fired(event) {
  const at = Number(event.cookie) * 2;
  const moment = now();
  if (moment < table[at]) count(EARLY);
  if (table[at + 1] !== 0n) count(TWICE);
  table[at + 1] = moment;
  count(FIRED);
}

const told = (event) => {
  note({
    on: 'told',
    at: Number(now()) / 1e6,
    value: event.value,
    last: event.last,
    cookie: String(event.cookie),
    timeout: event.timeout,
  });
};

export default defineHandlers(
  {
    fired,
    told,
    /** Holds its first delivery until the gate opens. */
    held(event) {
      if (count(INSIDE) !== 0) count(OVERLAP);
      told(event);
      if (count(FIRED) === 0) waitAtGate(GATE);
      count(PERIODS, event.value);
      count(INSIDE, -1);
    },
    /** As held, and async. */
    async heldAsync(event) {
      if (count(INSIDE) !== 0) count(OVERLAP);
      told(event);
      if (count(FIRED) === 0) await new Promise((resolve) => setTimeout(resolve, 60));
      count(PERIODS, event.value);
      count(INSIDE, -1);
    },
    /** An item: cancels the timer in a source slot, whose generation is behind the point, and counts it as ended. */
    async cancels(event) {
      const source = Math.floor(event.value);
      await timer({ source, generation: Math.round((event.value - source) * 2 ** 20) }).cancel();
      count(PERIODS);
    },
    /** Goes on after its only delivery, twice. */
    again(event) {
      told(event);
      if (count(FIRED) < 2)
        timer({ source: event.registration.fd, generation: event.registration.generation }).reset(5);
    },
    /** An item that starts a timer. */
    starts(event) {
      startTimer({ handler: 'told', afterMs: event.value, cookie: 99 });
    },
    dies(event) {
      told(event);
      if (count(FIRED) === 1) process.exit(3);
    },
    throws(event) {
      told(event);
      throw new Error(`value ${event.value}`);
    },
    /** Ends itself at its third delivery. */
    three(event) {
      told(event);
      if (count(FIRED) === 2) event.teardown();
    },
    /** Forces the end of the connection in its cookie. */
    forces(event) {
      const id = { fd: Number(event.cookie & 0xffffffffn), generation: Number(event.cookie >> 32n) };
      void registration(id).teardown(5);
      note({ on: 'forced' });
    },
    connection: {
      open(connection) {
        note({ on: 'open', ...connection.registration.id });
      },
      data(connection) {
        note({ on: 'begins' });
        waitAtGate(GATE);
        connection.write(connection.read());
        note({ on: 'finishes' });
      },
      close(connection, reason) {
        note({ on: 'close', ...reason });
      },
    },
  },
  {
    init(workerData) {
      openJournal(workerData);
      if (workerData.table !== undefined) table = new BigInt64Array(workerData.table);
    },
  },
);
