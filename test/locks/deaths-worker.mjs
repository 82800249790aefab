// A Worker of no pool, that takes what it is told to take, and ends or waits for its end.
import { parentPort, workerData } from 'node:worker_threads';
import { Mutex, Once, RwLock, Semaphore } from 'wakeone/sync';

const { memory, what } = workerData;

/** @type {Record<string, () => unknown>} */
const takes = {
  mutex: () => new Mutex(memory).lock(),
  reader: () => new RwLock(memory).reader.lock(),
  writer: () => new RwLock(memory).writer.lock(),
  permit: () => new Semaphore(memory, 0, 1).acquire(),
  once: () =>
    new Once(memory).run(() => {
      parentPort.postMessage('has it');
      for (;;);
    }),
};
takes[what]();
parentPort.postMessage('has it');
// Until it is terminated.
Atomics.wait(new Int32Array(memory), memory.byteLength / 4 - 1, 0);
