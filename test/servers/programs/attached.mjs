// A Worker of the app, that does with a pool what it is told; each order is answered.
import { parentPort, workerData } from 'node:worker_threads';
import { attach } from 'wakeone';

const words = new Int32Array(workerData);
const STARTED = 0;
const POSTED = 1;
const ITEMS_STARTED = 2;
const ITEMS_POSTED = 3;
const ADDS = 4;
/** What a stop order would be too late for: the loops look here. */
const STOP = 5;

let pool;
let registration;
let timer;

/** Posts, adds and triggers until it is ended: by STOP, by its own exit, or from outside. */
function churn({ fds, event, exitAfter, seed }) {
  const counts = pool.userEvent(event);
  let random = seed;
  for (let round = 0; Atomics.load(words, STOP) === 0; round++) {
    if (round === exitAfter) process.exit(5);
    random = (Math.imul(random, 1103515245) + 12345) >>> 0;
    Atomics.add(words, STARTED, 1);
    counts.post();
    Atomics.add(words, POSTED, 1);
    Atomics.add(words, ITEMS_STARTED, 1);
    if (pool.post('item', 1)) Atomics.add(words, ITEMS_POSTED, 1);
    else Atomics.sub(words, ITEMS_STARTED, 1);
    const fd = fds[random % fds.length];
    try {
      const added = pool.add(fd, { handler: 'quiet' });
      Atomics.add(words, ADDS, 1);
      added.trigger(1);
      void added.teardown();
    } catch (error) {
      if (!['ERR_WAKEONE_FD_IN_USE', 'ERR_WAKEONE_STALE_REGISTRATION'].includes(error.code)) throw error;
    }
  }
}

/** @type {Record<string, (argument: any) => unknown>} */
const orders = {
  attach: (ticket) => void (pool = attach(ticket)),
  detach: () => pool.detach(),
  open: () => pool.open,
  post: ([handler, value]) => pool.post(handler, value),
  event: (key) => pool.userEvent(key).post(),
  add([fd, options]) {
    registration = pool.add(fd, options);
    return registration.id;
  },
  take: (id) => void (registration = pool.registration(id)),
  trigger: (bits) => registration.trigger(bits),
  disable: () => registration.disable(),
  enable: () => registration.enable(),
  teardown: (detail) => registration.teardown(detail),
  timer: (options) => void (timer = pool.timer(options)),
  cancel: () => timer.cancel(),
  /** Until the pool refuses it. */
  untilRefused() {
    for (let posted = 0; ; posted++) {
      try {
        pool.post('item', 1);
      } catch (error) {
        return [error.code, posted > 0];
      }
    }
  },
  churn,
  exit: (code) => process.exit(code),
};

parentPort.on('message', async ([order, argument]) => {
  try {
    parentPort.postMessage({ value: await orders[order](argument) });
  } catch (error) {
    parentPort.postMessage({ code: error.code ?? String(error) });
  }
});
parentPort.postMessage({ value: 'ready' });
