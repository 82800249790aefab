// Has a Worker join a pool, and ends when nothing keeps the process alive. What is left over is delivered before.
import { isMainThread, parentPort, workerData, Worker } from 'node:worker_threads';
import { attach, createPool } from 'wakeone';
import { defineHandlers } from 'wakeone/worker';

export default defineHandlers({
  late: () => console.log('delivered'),
});

if (isMainThread) {
  const way = process.argv[2];
  const pool = await createPool({ handlers: import.meta.url, minThreads: 2 });
  const worker = new Worker(new URL(import.meta.url), { workerData: way });
  worker.postMessage(pool.attach(worker));
  if (way === 'unref') worker.once('message', () => worker.unref());
  process.on('exit', () => {
    if (way !== 'registers') console.log('over');
  });
} else if (['ends', 'unref', 'registers'].includes(workerData)) {
  parentPort.once('message', (ticket) => {
    const pool = attach(ticket);
    // The Worker ends; the timer stays and keeps the process alive until it has come.
    if (workerData === 'registers') pool.timer({ handler: 'late', afterMs: 300 });
    if (workerData === 'unref') setInterval(() => {}, 1000);
    parentPort.postMessage('attached');
  });
}
