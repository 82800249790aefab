// A Worker of the app, that does with a pool what it is told; each order is answered.
import { parentPort, workerData } from 'node:worker_threads';
import { attach } from 'wakeone';
import { Mutex } from 'wakeone/sync';

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

/** Adds, triggers and tears down the same descriptors as others do; each end is noted before the next begins. */
async function addAndEnd({ fds, seed, ended, mode, timers }) {
  const over = new Int32Array(ended);
  let random = seed;
  for (let round = 1; Atomics.load(words, STOP) === 0; round++) {
    random = (Math.imul(random, 1103515245) + 12345) >>> 0;
    if (timers) {
      const started = pool.timer({ handler: 'churned', afterMs: 1 + (random % 2), cookie: 0 });
      Atomics.add(words, STARTED, 1);
      if (random % 3 === 0) await Promise.resolve();
      await started.cancel();
      continue;
    }
    // Each Worker has numbers of its own.
    const cookie = round * 8 + seed;
    let added;
    try {
      added = pool.add(fds[random % fds.length], { handler: 'churned', cookie, mode });
    } catch (error) {
      if (error.code !== 'ERR_WAKEONE_FD_IN_USE') throw error;
      await new Promise((resolve) => setImmediate(resolve));
      continue;
    }
    Atomics.add(words, ADDS, 1);
    if (random % 2 === 0) added.trigger(1);
    const end = added.teardown();
    try {
      for (;;) added.trigger(2);
    } catch (error) {
      if (error.code !== 'ERR_WAKEONE_STALE_REGISTRATION') throw error;
    }
    await end;
    Atomics.store(over, cookie % over.length, cookie);
  }
}

/** Posts to events that come and go. */
async function postToAll() {
  const name = 'comes and goes';
  let posted = 0;
  while (Atomics.load(words, STOP) === 0) {
    try {
      const event = pool.userEvent(name);
      for (let i = 0; i < 10; i++) {
        event.post();
        posted++;
      }
    } catch (error) {
      if (!['ERR_WAKEONE_UNKNOWN_EVENT', 'ERR_WAKEONE_STALE_REGISTRATION'].includes(error.code)) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return posted;
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
  addAndEnd,
  postToAll,
  shared: ([name, length]) => pool.shared(name, length).length,
  write: ([name, at, value]) => void (pool.shared(name)[at] = value),
  read: ([name, at]) => pool.shared(name)[at],
  lock: ([name, at]) => new Mutex(pool.shared(name), at).lock(),
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
