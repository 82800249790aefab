/** The table of the clients of the cache under several threads, on the built code. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { Clients, createClients } from '../../workers/resp/clients.ts';

const WRONG = 1;

test('one that stays is always listed while others come and go, and all are counted', async () => {
  const memory = createClients(10_000);
  const words = new SharedArrayBuffer(8);
  const run = async (role: string, worker: number): Promise<void> => {
    const workerData = { memory, words, worker, role, count: 3000 };
    await once(new Worker(new URL('clients-worker.mjs', import.meta.url), { workerData }), 'exit');
  };
  await Promise.all([run('churn', 1), run('churn', 2), run('look', 3)]);
  expect(new Int32Array(words)[WRONG]).toBe(0);
  const clients = new Clients(memory, 0);
  expect(clients.count).toBe(1);
  expect(clients.list().map(({ fd }) => fd)).toEqual([900]);
});
