/**
 * Locks that are free, taken and released in a loop, beside the least that could do it: two compareExchanges of one word. In a
 * Worker, since the blocking forms are not for the main thread. A line of JSON for each of them and each round.
 */
import { parseArgs } from 'node:util';
import { isMainThread, Worker } from 'node:worker_threads';

import { Mutex, RwLock, Semaphore, StripedLock } from '../../src/locks/index.ts';

const { values } = parseArgs({
  options: { times: { type: 'string', default: '2000000' }, rounds: { type: 'string', default: '7' } },
});
const STRIPES = 256;

function measure(): void {
  const times = Number(values.times);
  // Each in a line of its own.
  const memory = new SharedArrayBuffer(4096 + StripedLock.bytes(STRIPES));
  const words = new Int32Array(memory);
  const mutex = new Mutex(memory, 64);
  const { reader, writer } = new RwLock(memory, 256);
  const semaphore = new Semaphore(memory, 1024, 4);
  const stripes = new StripedLock(memory, 4096, STRIPES);
  // Inside of each, so that a lock that does nothing would not be the quickest.
  let sum = 0;
  const add = (): void => {
    sum++;
  };
  const loops: Readonly<Record<string, () => void>> = {
    raw() {
      for (let i = 0; i < times; i++) {
        Atomics.compareExchange(words, 0, 0, 1);
        sum++;
        Atomics.compareExchange(words, 0, 1, 0);
      }
    },
    mutex() {
      for (let i = 0; i < times; i++) {
        mutex.lock();
        sum++;
        mutex.unlock();
      }
    },
    'mutex.run'() {
      for (let i = 0; i < times; i++) mutex.run(add);
    },
    striped() {
      for (let i = 0; i < times; i++) {
        const stripe = stripes.of(i);
        stripe.lock();
        sum++;
        stripe.unlock();
      }
    },
    reader() {
      for (let i = 0; i < times; i++) {
        reader.lock();
        sum++;
        reader.unlock();
      }
    },
    writer() {
      for (let i = 0; i < times; i++) {
        writer.lock();
        sum++;
        writer.unlock();
      }
    },
    semaphore() {
      for (let i = 0; i < times; i++) {
        semaphore.acquire();
        sum++;
        semaphore.release();
      }
    },
  };
  // One more round than is told, for the compiler.
  for (let round = 0; round <= Number(values.rounds); round++) {
    for (const [lock, loop] of Object.entries(loops)) {
      sum = 0;
      const began = performance.now();
      loop();
      const ns = ((performance.now() - began) * 1e6) / times;
      if (sum !== times) throw new Error(`${lock}: the loop has run ${sum} times`);
      if (round > 0) console.log(JSON.stringify({ lock, ns }));
    }
  }
}

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { argv: process.argv.slice(2) });
  worker.on('exit', (code) => (process.exitCode = code));
} else measure();
