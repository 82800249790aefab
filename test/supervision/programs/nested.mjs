// Makes a pool in a Worker, has that Worker end in one of the ways, and says how long that took.
import { once } from 'node:events';
import { connect } from 'node:net';
import process from 'node:process';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { createPool } from 'wakeone';

const [situation, threads, way] = isMainThread ? process.argv.slice(2) : workerData;

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { workerData: [situation, threads, way] });
  worker.on('error', () => {});
  await once(worker, 'message');
  const from = performance.now();
  // Not once(): that ends with an error.
  const ended = new Promise((resolve) => worker.on('exit', resolve));
  if (way === 'terminate') void worker.terminate();
  else worker.postMessage(way);
  await ended;
  console.log(`ended after ${Math.round(performance.now() - from)} ms`);
} else {
  const pool = await createPool({
    handlers: new URL('../handlers/busy.mjs', import.meta.url),
    minThreads: Number(threads),
    workerData: { running: new SharedArrayBuffer(4) },
  });
  const server = await pool.listen({ port: 0, host: '127.0.0.1', handler: 'echo', idleTimeoutMs: 60_000 });
  const client = connect(server.address().port, '127.0.0.1');
  client.on('error', () => {});
  for (let i = 0; i < 100; i++) {
    client.write('x');
    await once(client, 'data');
  }
  if (situation === 'quiet') await new Promise((resolve) => setTimeout(resolve, 200));
  else client.on('data', (bytes) => client.write(bytes)).write('y');
  parentPort.on('message', () => {
    if (way === 'exit') process.exit(3);
    throw new Error('uncaught');
  });
  parentPort.postMessage('ready');
}
