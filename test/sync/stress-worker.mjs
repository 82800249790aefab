/**
 * One thread of a stress test: runs the role that it is given on the built code, and says when it is done. The words
 * of all roles are drawn in stress-words.mjs. No role sleeps to give others time: who waits, waits on a word.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Mutex } from '../../dist/src/sync/mutex.js';
import { ParkingLot, ParkState } from '../../dist/src/sync/parking.js';
import { AtomicsPort } from '../../dist/src/sync/port.js';
import { Ring } from '../../dist/src/sync/ring.js';
import * as Words from './stress-words.mjs';

const words = new Int32Array(workerData.memory);
const port = new AtomicsPort(words);
const { role, id, count } = workerData;

const makeRing = () => new Ring(port, Words.ringPlace(workerData.capacity));
const makeLot = () => new ParkingLot(port, Words.lotPlace, () => {});

/** All threads of a test begin together. */
function meetOthers() {
  if (Atomics.sub(words, Words.WAITING, 1) === 1) {
    Atomics.store(words, Words.GO, 1);
    Atomics.notify(words, Words.GO);
  } else Atomics.wait(words, Words.GO, 0);
}

/** Spins; on a machine with fewer processors than threads the others must be let in. */
function giveWay(spins) {
  if (spins % 64 === 63) Atomics.wait(words, Words.NEVER, 0, 0.05);
}

const roles = {
  /** Pushes the hints id * count + 1 … (id + 1) * count. */
  pusher() {
    const ring = makeRing();
    for (let i = 1; i <= count; i++) {
      const hint = id * count + i;
      for (let spins = 0; !ring.push(hint); spins++) giveWay(spins);
    }
  },

  /** Takes until all were taken, and counts each hint in its cell; checks that those of one pusher come in order. */
  taker() {
    const ring = makeRing();
    const latest = new Int32Array(workerData.pushers);
    const total = workerData.pushers * count;
    let disorder = 0;
    for (let spins = 0; Atomics.load(words, Words.TAKEN) < total;) {
      const hint = ring.take();
      if (hint === 0) {
        giveWay(spins++);
        continue;
      }
      Atomics.add(words, Words.CELLS + hint, 1);
      Atomics.add(words, Words.TAKEN, 1);
      const pusher = Math.floor((hint - 1) / count);
      if (hint <= latest[pusher]) disorder++;
      latest[pusher] = hint;
    }
    return disorder;
  },

  /** Adds 1 to two plain words, `count` times, inside the lock. */
  locker() {
    const mutex = new Mutex(port, Words.LOCK);
    let intruders = 0;
    for (let i = 0; i < count; i++) {
      mutex.lock(id + 1);
      // Plain: the lock makes them this thread's own.
      if (words[Words.CELLS] !== words[Words.CELLS + 1]) intruders++;
      words[Words.CELLS]++;
      words[Words.CELLS + 1]++;
      mutex.unlock();
    }
    return intruders;
  },

  /** Hands pieces of work out one at a time, each when the one before was done, and wakes one member for each. */
  giver() {
    const lot = makeLot();
    for (let piece = 1; piece <= count; piece++) {
      Atomics.add(words, Words.WORK, 1);
      lot.wakeNewest();
      for (let done = Atomics.load(words, Words.DONE); done < piece; done = Atomics.load(words, Words.DONE)) {
        // A lost wake-up shows here: nobody does the piece.
        if (Atomics.wait(words, Words.DONE, done, Words.LOST_AFTER_MS) === 'timed-out') return 1;
      }
    }
    Atomics.store(words, Words.OVER, 1);
    lot.wakeAll();
    return 0;
  },

  /** Takes work while there is some; else parks, with a second look. */
  member() {
    const lot = makeLot();
    let woken = 0;
    while (Atomics.load(words, Words.OVER) === 0) {
      const left = Atomics.load(words, Words.WORK);
      if (left > 0) {
        if (Atomics.compareExchange(words, Words.WORK, left, left - 1) !== left) continue;
        Atomics.add(words, Words.DONE, 1);
        Atomics.notify(words, Words.DONE);
        continue;
      }
      lot.announce(id, ParkState.SLEEPS_FUTEX);
      if (Atomics.load(words, Words.WORK) === 0 && Atomics.load(words, Words.OVER) === 0) lot.sleep(id);
      if (lot.settle(id)) woken++;
    }
    return woken;
  },
};

meetOthers();
parentPort.postMessage({ role, value: roles[role]() ?? 0 });
