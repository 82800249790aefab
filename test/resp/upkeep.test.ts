/** The upkeep of the cache, on the built code. */
import { expect, test } from 'vitest';
import { createPool } from 'wakeone';
import { Clients } from '../../workers/resp/clients.ts';
import { createResp } from '../../workers/resp/setup.ts';
import { closeClients, openClient } from '../servers/client.ts';
import { encode } from './cache.ts';

test('goes on when a worker has died in it', async () => {
  const data = createResp(2 ** 20, true);
  await using pool = await createPool({
    handlers: new URL('../../dist/workers/resp.js', import.meta.url),
    workerData: { resp: data },
    minThreads: 1,
  });
  pool.on('workerExit', () => {});
  const address = (await pool.listen({ port: 0, host: '127.0.0.1', handler: 'resp' })).address();
  const port = address.family === 'unix' ? 0 : address.port;
  // As who dies in the timer's turn leaves it.
  expect(new Clients(data.clients, 0).takeUpkeep()).toBeGreaterThan(0);
  const first = await openClient(port);
  first.write(encode('SET', 'old', 'x', 'PX', '20'));
  expect(await first.line()).toBe('+OK\r');
  first.write(encode('DEBUG', 'CRASH', 'exit'));
  await first.over();
  const second = await openClient(port);
  const deadline = performance.now() + 5000;
  let size: string | undefined;
  while (size !== ':0\r' && performance.now() < deadline) {
    second.write(encode('DBSIZE'));
    size = await second.line();
  }
  expect(size).toBe(':0\r');
  await closeClients();
});
