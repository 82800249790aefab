/** Pools of one thread, whose worker keeps what it pushes to itself: nothing starves and nothing is lost (G8, G9). */
import { createPool, type Pool } from 'wakeone';
import { expect, it } from 'vitest';
import { openClient } from '../servers/client.ts';
import { within } from '../servers/deadline.ts';
import { Journal } from '../servers/journal.ts';
import { afterTest, guardPools, listen } from '../servers/pools.ts';

const STOP = 1;
const ITEMS = 2;
const POSTS = 3;

guardPools();

async function openPool(
  workerData: object = {},
): Promise<{ readonly pool: Pool; readonly journal: Journal }> {
  const journal = new Journal();
  const pool = await createPool({
    handlers: new URL('handlers/lone.mjs', import.meta.url),
    minThreads: 1,
    maxThreads: 1,
    workerData: { journal: journal.memory, ...workerData },
  });
  afterTest(async () => {
    journal.set(STOP, 1);
    await pool.destroy();
  });
  return { pool, journal };
}

it('a chain of items that begins in `init` holds nobody up', async () => {
  const { pool } = await openPool({ chains: true });
  const client = await openClient(await listen(pool, 'echo'));
  client.write('served\n');
  expect(await client.line()).toBe('served');
  expect(pool.stats().workers[0]?.handled).toBeGreaterThan(10);
});

it('an event that posts to itself holds nobody up, before the death of the worker and after it', async () => {
  const { pool } = await openPool();
  const server = await listen(pool, 'echo');
  pool.userEvent({ name: 'again', handler: 'again' }).post(1);
  for (let round = 0; round < 3; round++) {
    const client = await openClient(server);
    client.write('served\n');
    expect(await client.line()).toBe('served');
    client.write('!');
    await client.over();
  }
});

it('what an `init` has posted before it failed is not lost', async () => {
  const { pool, journal } = await openPool({ failsOnce: true });
  const server = await listen(pool, 'echo');
  const bell = pool.userEvent({ name: 'bell', handler: 'bell' });
  const client = await openClient(server);
  client.write('!');
  await client.over();
  await journal.untilCounted(ITEMS, 1);
  await journal.untilCounted(POSTS, 1);
  bell.post(1);
  await journal.untilCounted(POSTS, 2);
  await within(pool.close({ timeoutMs: 20_000 }), 'close', 5000);
  expect(journal.counted(ITEMS)).toBe(1);
  expect(pool.stats().registered).toBe(0);
});
