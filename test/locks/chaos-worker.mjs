// A Worker of the app that joins a pool, and uses locks that it shares with others until it is told to stop, or is no more.
import { parentPort } from 'node:worker_threads';
import { attach } from 'wakeone';
import { Mutex, RwLock, Semaphore } from 'wakeone/sync';

/** Words of the shared memory; the locks are behind them. */
const STOP = 0;
const WRONG = 1;
const HELD = 2;
const PAIRS = 4;
const LOCKS = 1024;

parentPort.once('message', ({ ticket, beat }) => {
  const bytes = attach(ticket).shared('chaos');
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const mutex = new Mutex(bytes, LOCKS);
  const { reader, writer } = new RwLock(bytes, LOCKS + 64);
  const semaphore = new Semaphore(bytes, LOCKS + 512, 2);
  const check = (at, told) => {
    if (words[at] !== words[at + 1] && !told) Atomics.add(words, WRONG, 1);
  };
  const change = (at, told) => {
    check(at, told);
    words[at]++;
    words[at + 1] = words[at];
  };
  for (let round = 0; Atomics.load(words, STOP) === 0; round++) {
    mutex.run((told) => change(PAIRS, told));
    if (mutex.lock(1)) mutex.unlock();
    reader.run((told) => check(PAIRS + 2, told));
    if (round % 3 === 0) writer.run((told) => change(PAIRS + 2, told));
    if (round % 7 === 0 && writer.lock(1)) writer.unlock();
    semaphore.acquire();
    Atomics.add(words, HELD, 1);
    semaphore.release();
    Atomics.add(words, beat, 1);
  }
  parentPort.close();
});
parentPort.postMessage('loaded');
