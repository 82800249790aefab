// One thread of a stress test of locks: does its part `count` times, as fast as it can, and says what it saw.
import { getHeapStatistics } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import { Barrier, Condition, Mutex, Once, RwLock, Semaphore, StripedLock } from 'wakeone/sync';

/** Bytes: the start line, then the lock, then words that it protects. */
const LOCK = 64;
const DATA = 1024;
const { memory, role, count, threads, permits } = workerData;
const words = new Int32Array(memory, DATA * 4);
const start = new Barrier(memory, 0, threads);

/** Adds 1 to two plain words: 1 if they were not equal. */
function change(at = 0) {
  const wrong = words[at] === words[at + 1] ? 0 : 1;
  words[at]++;
  words[at + 1]++;
  return wrong;
}

const roles = {
  mutex() {
    const mutex = new Mutex(memory, LOCK);
    let wrong = 0;
    for (let i = 0; i < count; i++) wrong += mutex.run(() => change());
    return wrong;
  },

  /** Bytes of the heap that are used for locking, by a function that has been compiled before. */
  heap() {
    const [mutex, stripes, lock, semaphore] = [
      new Mutex(memory, LOCK),
      new StripedLock(memory, LOCK + 64, 4),
      new RwLock(memory, LOCK + 512),
      new Semaphore(memory, LOCK + 4, 2),
    ];
    const task = () => change();
    const used = (times) => {
      const before = getHeapStatistics().used_heap_size;
      for (let i = 0; i < times; i++) {
        mutex.lock();
        mutex.unlock();
        stripes.of(i).run(task);
        lock.reader.run(task);
        lock.writer.run(task);
        semaphore.acquire();
        semaphore.release();
      }
      return getHeapStatistics().used_heap_size - before;
    };
    used(count);
    return used(count);
  },

  impatient() {
    const mutex = new Mutex(memory, LOCK);
    let wrong = 0;
    for (let i = 0; i < count; i++) {
      while (!mutex.lock(i % 3));
      wrong += change();
      mutex.unlock();
    }
    return wrong;
  },

  async asynchronous() {
    const mutex = new Mutex(memory, LOCK);
    let wrong = 0;
    for (let i = 0; i < count; i++) wrong += await mutex.runAsync(() => change());
    return wrong;
  },

  striped() {
    const locks = new StripedLock(memory, LOCK, 4);
    let wrong = 0;
    for (let i = 0; i < count; i++) wrong += locks.of(i).run(() => change((i & 3) * 16));
    return wrong;
  },

  writer() {
    const lock = new RwLock(memory, LOCK);
    let wrong = 0;
    for (let i = 0; i < count; i++) wrong += lock.writer.run(() => change());
    return wrong;
  },

  reader() {
    const lock = new RwLock(memory, LOCK);
    let wrong = 0;
    for (let i = 0; i < count; i++) wrong += lock.reader.run(() => (words[0] === words[1] ? 0 : 1));
    return wrong;
  },

  semaphore() {
    const semaphore = new Semaphore(memory, LOCK, permits);
    let wrong = 0;
    for (let i = 0; i < count; i++) {
      semaphore.acquire();
      if (Atomics.add(words, 2, 1) >= permits) wrong++;
      Atomics.add(words, 0, 1);
      Atomics.add(words, 1, 1);
      Atomics.sub(words, 2, 1);
      semaphore.release();
    }
    return wrong;
  },

  /** Puts into a box for one item, and takes out of it. */
  puts() {
    const [mutex, filled, emptied] = [
      new Mutex(memory, LOCK),
      new Condition(memory, LOCK + 4),
      new Condition(memory, LOCK + 8),
    ];
    for (let i = 0; i < count; i++) {
      mutex.run(() => {
        while (words[2] !== 0) emptied.wait(mutex);
        words[2] = 1;
      });
      filled.notifyOne();
    }
    return 0;
  },

  takes() {
    const [mutex, filled, emptied] = [
      new Mutex(memory, LOCK),
      new Condition(memory, LOCK + 4),
      new Condition(memory, LOCK + 8),
    ];
    let wrong = 0;
    for (let i = 0; i < count; i++) {
      mutex.run(() => {
        while (words[2] === 0) filled.wait(mutex);
        words[2] = 0;
        wrong += change();
      });
      emptied.notifyOne();
    }
    return wrong;
  },

  once() {
    let wrong = 0;
    for (let i = 0; i < count; i++) {
      const once = new Once(memory, LOCK + (i % 64) * 8);
      const at = (i % 64) * 2;
      once.run(() => void Atomics.add(words, at, 1));
      if (Atomics.load(words, at) !== 1) wrong++;
    }
    return wrong;
  },

  barrier() {
    const barrier = new Barrier(memory, LOCK, threads);
    let wrong = 0;
    for (let i = 1; i <= count; i++) {
      Atomics.add(words, 0, 1);
      barrier.wait();
      if (Atomics.load(words, 0) < i * threads) wrong++;
    }
    Atomics.add(words, 1, count);
    return wrong;
  },
};

start.wait();
parentPort.postMessage(await roles[role]());
