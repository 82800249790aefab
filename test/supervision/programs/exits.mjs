// Brings a pool into a situation, says "ready", and when told to ends the process in one of the ways.
import { once } from 'node:events';
import { connect } from 'node:net';
import { createPool } from 'wakeone';

const [situation, threads] = process.argv.slice(2);
const running = new SharedArrayBuffer(4);
const words = new Int32Array(running);
const handlers = new URL('../handlers/busy.mjs', import.meta.url);
const starting = situation === 'loading';

async function open(handler) {
  const pool = await createPool({ handlers, minThreads: Number(threads), workerData: { running } });
  if (handler === undefined) return pool;
  const server = await pool.listen({ port: 0, host: '127.0.0.1', handler });
  const client = connect(server.address().port, '127.0.0.1');
  client.unref();
  client.on('error', () => {});
  await once(client, 'connect');
  client.write('x');
  if (handler === 'echo') {
    await once(client, 'data');
    if (situation === 'ended') {
      client.destroy();
      await server.close();
    }
    if (situation === 'closed') await pool.close();
  }
  return pool;
}

if (starting) {
  void createPool({ handlers, minThreads: Number(threads), workerData: { running, slow: true } });
} else if (situation === 'idle') {
  await open();
} else {
  await open(['ended', 'closed', 'open'].includes(situation) ? 'echo' : situation);
}
if (!['idle', 'ended', 'closed', 'open'].includes(situation)) await Atomics.waitAsync(words, 0, 0).value;
console.log('ready');

process.stdin.on('data', (way) => {
  process.stdin.destroy();
  switch (String(way)) {
    case 'exit':
      process.exit(7);
    case 'throw':
      throw new Error('uncaught');
    case 'reject':
      void Promise.reject(new Error('unhandled'));
      break;
    default:
    // The way is to do nothing: the process ends when nothing keeps it.
  }
});
