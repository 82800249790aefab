// Posts to an event that counts while the workers that deliver it are terminated, and tells what became of the posts.
import { setTimeout as after } from 'node:timers/promises';
import workerThreads from 'node:worker_threads';

const THREAD = 3;

/** All threads that were ever made. */
const made = [];
workerThreads.Worker = class extends workerThreads.Worker {
  constructor(...given) {
    super(...given);
    made.push(this);
  }
};
const { createPool } = await import('wakeone');

const [kills, batch] = process.argv.slice(2).map(Number);
const words = new Int32Array(new SharedArrayBuffer(64));
const pool = await createPool({
  handlers: new URL('../handlers/counts.mjs', import.meta.url),
  minThreads: 2,
  concurrency: 2,
  workerData: words.buffer,
});
let lost = 0;
pool.on('claimLost', () => lost++);
pool.on('workerExit', () => {});
const event = pool.userEvent({ handler: 'counts', merge: 'count' });
let posts = 0;
for (let kill = 0; kill < kills; kill++) {
  Atomics.store(words, THREAD, 0);
  for (let i = 0; i < batch; i++) event.post();
  posts += batch;
  // The one that has the event, in the midst of a run: another one might be loading, or wait in the kernel.
  while (Atomics.load(words, THREAD) === 0) await after(1);
  await made.find(({ threadId }) => threadId === Atomics.load(words, THREAD))?.terminate();
}
await event.teardown();
const [begun, done, left] = words;
console.log(JSON.stringify({ posts, begun, done, left, lost }));
await pool.close();
