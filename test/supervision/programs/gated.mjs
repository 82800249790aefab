// Serves with handlers that wait at a gate, until it is told to open it. Answers each message with its statistics.
import { createPool } from 'wakeone';

const [threads] = process.argv.slice(2);
const gate = new SharedArrayBuffer(4);
const pool = await createPool({
  handlers: new URL('../handlers/quiet.mjs', import.meta.url),
  minThreads: Number(threads),
  concurrency: Number(threads),
  workerData: { gate },
});
const ports = {};
for (const handler of ['echo', 'gated', 'byte']) {
  const server = await pool.listen({ port: 0, host: '127.0.0.1', handler });
  ports[handler] = server.address().port;
}
console.log(JSON.stringify({ ports }));
process.stdin.on('data', (message) => {
  if (String(message) === 'open') {
    Atomics.store(new Int32Array(gate), 0, 1);
    Atomics.notify(new Int32Array(gate), 0);
  }
  console.log(JSON.stringify({ stats: pool.stats() }));
});
