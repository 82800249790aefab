/**
 * A file of the pool lives on in a duplicate after its registration has ended, and reports itself: the epoll set is replaced
 * (G10). Scenarios 35, 43.
 */
import { setTimeout as after } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Pool, Server } from 'wakeone';
import { openNative } from '../../src/native/index.ts';
import { type Client, openClient, openClients } from './client.ts';
import { until } from './deadline.ts';
import { afterTest, guardPools, listen, openPool, STRESS } from './pools.ts';

const native = openNative();
const ROUNDS = STRESS ? 5 : 2;
/** Between two events of what is left over, so that each is one. */
const PAUSE_MS = 15;
/** Counters of the journal, as handlers/renewal.mjs has them. */
const VALUE = 0;
const CALLS = 1;
const ENDS = 2;

guardPools();

/** A connection that has ended in the pool, but not for its client: a duplicate of its descriptor is open. */
async function leaveOver(server: Server): Promise<Client> {
  const client = await openClient(server);
  const copy = native.duplicate(Number(await client.line()), 0);
  expect(copy).toBeGreaterThan(0);
  afterTest(() => native.close(copy));
  client.write('!');
  return client;
}

/** Has the leftover report itself until the set was replaced. */
async function provoke(pool: Pool, leftover: Client): Promise<void> {
  const before = pool.stats().rebuilds;
  await until(
    () => {
      leftover.write('x');
      return pool.stats().rebuilds > before;
    },
    () => `the set is replaced: ${JSON.stringify(pool.stats())}`,
  );
}

const pollsOf = (pool: Pool): number => pool.stats().workers.reduce((sum, worker) => sum + worker.polls, 0);

describe.each([1, 3])('a pool of %i threads', (threads) => {
  const options = { minThreads: threads, maxThreads: threads, concurrency: threads };

  it('is not told any more of a file that is over for it (35)', async () => {
    const { pool } = await openPool('renewal', options);
    const server = await listen(pool, 'echo');
    const leftover = await leaveOver(server);
    await until(() => pool.stats().registered === 1, 'its registration has ended');
    await provoke(pool, leftover);
    expect(pool.stats().staleEvents).toBeGreaterThanOrEqual(3);
    // What was on its way.
    await after(10 * PAUSE_MS);
    const { staleEvents } = pool.stats();
    const polls = pollsOf(pool);
    for (let i = 0; i < 20; i++) {
      leftover.write('x');
      await after(PAUSE_MS);
    }
    expect(pool.stats()).toMatchObject({ staleEvents, rebuilds: 1 });
    expect(pollsOf(pool)).toBeLessThan(polls + 5);
    const client = await openClient(server);
    await client.line();
    client.write('after');
    expect(String(await client.read(5))).toBe('after');
  });

  it.each(['edge', 'oneshot'] as const)(
    'asks nothing of connections that left their input, in mode %s',
    async (mode) => {
      const { pool, journal } = await openPool('renewal', options);
      const failed: unknown[] = [];
      pool.on('handlerError', (error) => failed.push(error));
      const server = await listen(pool, 'echo');
      const leaving = await listen(pool, 'leaves', { mode });
      const [ended, paused, high] = await openClients(leaving, 3);
      high?.socket.pause();
      ended?.write('E');
      paused?.write('P');
      high?.write('H');
      await until(() => journal.counted(CALLS) === 3, 'each was called');
      await provoke(pool, await leaveOver(server));
      // Nothing is to come of it: a turn that did would have run by then.
      await after(50);
      expect(journal.counted(CALLS)).toBe(3);
      expect(journal.counted(ENDS)).toBe(0);
      expect(failed).toEqual([]);
      expect(String(await ended?.read(3))).toBe('bye');
    },
  );

  it('goes on with all else while its set is replaced (43)', async () => {
    const { pool, journal } = await openPool('renewal', options);
    const server = await listen(pool, 'echo');
    const grouped = await listen(pool, 'echo', { group: pool.group() });
    const clients = [...(await openClients(server, 24)), ...(await openClients(grouped, 8))];
    for (const client of clients) await client.line();
    const counters = Array.from({ length: 8 }, (_, i) => {
      const fd = native.eventfd();
      const mode = i % 2 === 0 ? 'edge' : 'oneshot';
      return { fd, registration: pool.add(fd, { handler: 'counter', mode, ownership: 'own' }) };
    });
    // One that nobody hears of meanwhile.
    const silent = counters[1];
    silent?.registration.disable();

    const ending = new AbortController();
    const { signal } = ending;
    let sent = 0;
    let echoed = 0;
    const talk = clients.map(async (client, i) => {
      for (let n = 0; !signal.aborted; n++) {
        const text = `${i % 8 === 0 && n % 4 === 0 ? '~' : '.'}${i}:${n};`.repeat(1 + (n % 5));
        client.write(text);
        expect(String(await client.read(text.length))).toBe(text);
        echoed++;
      }
    });
    const fire = async (): Promise<void> => {
      while (!signal.aborted) {
        for (const { fd } of counters) {
          native.signal(fd);
          sent++;
        }
        await after(1);
      }
    };
    const firing = fire();
    for (let round = 0; round < ROUNDS; round++) {
      const leftover = await leaveOver(server);
      const before = echoed;
      await provoke(pool, leftover);
      await until(() => echoed > before + 2 * clients.length, 'the others are served');
    }
    ending.abort();
    await Promise.all([...talk, firing]);
    expect(pool.stats().rebuilds).toBe(ROUNDS);
    silent?.registration.enable();
    await until(
      () => journal.counted(VALUE) === sent,
      () => `${journal.counted(VALUE)} of ${sent} were counted`,
    );
    // Those that were registered before and after, and those that moved, end as ever.
    await Promise.all(counters.map(({ registration }) => registration.teardown()));
    const late = await openClient(server);
    await late.line();
    late.write('late');
    expect(String(await late.read(4))).toBe('late');
  });
});
