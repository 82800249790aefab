/** Calm requests in a process of its own: how many handlers the busiest worker ran, a line of JSON. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { createPool } from '../../src/index.ts';

const warmupRounds = 3;

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '8' },
    concurrency: { type: 'string', default: '2' },
    requests: { type: 'string', default: '200' },
    'per-second': { type: 'string', default: '20' },
    connections: { type: 'string', default: '8' },
  },
});
const gapMs = 1000 / Number(values['per-second']);

const pool = await createPool({
  handlers: new URL('../servers/pool-handlers.js', import.meta.url),
  minThreads: Number(values.threads),
  concurrency: Number(values.concurrency),
  workerData: 0,
});
const server = await pool.listen({ port: 0, host: '127.0.0.1', handler: 'echo' });
const address = server.address();
if (address.family === 'unix') throw new Error('the server has no port');
const clients: Socket[] = [];
for (let i = 0; i < Number(values.connections); i++) {
  const client = connect(address.port, address.address).setNoDelay(true);
  await once(client, 'connect');
  clients.push(client);
}

await run(clients.length * warmupRounds);
const before = handled();
await run(Number(values.requests));
const counts = handled().map((count, worker) => count - (before[worker] ?? 0));
console.log(
  JSON.stringify({ handled: counts.reduce((sum, count) => sum + count, 0), most: Math.max(...counts) }),
);
for (const client of clients) client.destroy();
await pool.destroy();

/** One echo after the other, on each connection in turn, with a pause before each. */
async function run(requests: number): Promise<void> {
  for (let i = 0; i < requests; i++) {
    const client = clients[i % clients.length];
    if (client === undefined) throw new Error('there are no connections');
    await sleep(gapMs);
    client.write('x');
    const [echoed] = (await once(client, 'data')) as [Buffer];
    if (echoed.toString() !== 'x') throw new Error('the echo is wrong');
  }
}

function handled(): number[] {
  return pool.stats().workers.map((worker) => worker.handled);
}
