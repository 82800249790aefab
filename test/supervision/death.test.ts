/** Workers that die in a handler: what the connection held, its last delivery, the end of its pool (G9). */
import { createPool, type Pool } from 'wakeone';
import { expect, it } from 'vitest';
import { openClient, openClients } from '../servers/client.ts';
import { within } from '../servers/deadline.ts';
import { Journal } from '../servers/journal.ts';
import { afterTest, guardPools, listen, STRESS } from '../servers/pools.ts';

const OPENED = 1;
const CLOSED = 2;
const SEEN = 3;
/** Each takes the time that a worker takes to start. */
const ROUNDS = STRESS ? 40 : 4;

guardPools();

async function openPool(threads = 2): Promise<{ readonly pool: Pool; readonly journal: Journal }> {
  const journal = new Journal();
  const pool = await createPool({
    handlers: new URL('handlers/dies.mjs', import.meta.url),
    minThreads: threads,
    concurrency: threads,
    workerData: { journal: journal.memory },
  });
  afterTest(() => pool.destroy());
  return { pool, journal };
}

it('input that was taken by a handler in which the worker died is given back once', async () => {
  const { pool, journal } = await openPool();
  const server = await listen(pool, 'lines');
  const dying = await openClient(server);
  dying.write('kept');
  await journal.untilCounted(SEEN, 1);
  dying.write('!');
  await journal.untilCounted(CLOSED, 1);
  // A block that was given back twice would be lent to two of them.
  const clients = await openClients(server, 8);
  for (const [i, client] of clients.entries()) client.write(`${i}`.repeat(5));
  await journal.untilCounted(SEEN, 10);
  for (const client of clients) client.write('\n');
  for (const [i, client] of clients.entries()) expect(await client.line()).toBe(`${i}`.repeat(5));
});

it('a worker that dies in `open` owes the `close`', async () => {
  const { pool, journal } = await openPool();
  const client = await openClient(await listen(pool, 'inOpen'));
  await client.over();
  await journal.untilCounted(CLOSED, 1);
  expect(journal.counted(OPENED)).toBe(1);
});

it('a worker that dies in the last `close` does not keep the pool from closing', async () => {
  const { pool, journal } = await openPool();
  await openClient(await listen(pool, 'inClose'));
  await journal.untilCounted(OPENED, 1);
  await within(pool.close({ timeoutMs: 20_000 }), 'close', 5000);
  expect(journal.counted(CLOSED)).toBe(1);
  expect(pool.stats().registered).toBe(0);
});

it('workers that die before the main thread has heard of their start leave nothing behind', async () => {
  const { pool, journal } = await openPool();
  const clients = await openClients(await listen(pool, 'lines'), 8);
  await journal.untilCounted(OPENED, 8);
  for (const client of clients) client.write('!');
  // A main thread that is busy hears of a replacement's start and of its death at once, in whatever order.
  const until = performance.now() + 10_000;
  while (journal.counted(CLOSED) < 8 && performance.now() < until) {
    const busy = performance.now() + 150;
    while (performance.now() < busy);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  expect(journal.counted(CLOSED)).toBe(8);
  for (const client of clients) await client.over();
});

it.each([1, 2])(
  'what waits behind a handler in which a worker dies is delivered by another, with %i threads',
  async (threads) => {
    const { pool, journal } = await openPool(threads);
    const server = await listen(pool, 'lines');
    const waiting = await openClients(server, 8);
    for (let round = 1; round <= ROUNDS; round++) {
      const dying = await openClient(server);
      // In one go: they are events of one batch, or of two.
      dying.write('!');
      for (const [i, client] of waiting.entries()) client.write(`${i}\n`);
      for (const [i, client] of waiting.entries()) expect(await client.line()).toBe(`${i}`);
      await journal.untilCounted(CLOSED, round);
      await dying.over();
    }
    expect(journal.counted(CLOSED)).toBe(ROUNDS);
  },
);
