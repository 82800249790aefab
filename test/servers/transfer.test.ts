/**
 * The transfer of the issue: many clients echo much in random sizes through four workers, every byte is right and no two
 * handlers of one connection overlap. Scenarios 11 (G1 under load), 15, 66, 111.
 */
import { expect, it } from 'vitest';
import { portOf } from './client.ts';
import { buildLoad, openIdle, runLoad } from './load-program.ts';
import { guardPools, listen, openPool, STRESS } from './pools.ts';

const MODES = ['edge', 'oneshot'] as const;
const MIB = 1024 * 1024;
const CLIENTS = STRESS ? 64 : 16;
const BYTES = STRESS ? 20 * MIB : 2 * MIB;

guardPools();
buildLoad();

it.each(MODES)('%s: all bytes of all clients come back right through four workers', async (mode) => {
  const { pool } = await openPool('streams', { minThreads: 4 });
  const server = await listen(pool, 'echo', { mode });
  const seed = Date.now() % 1_000_000;
  const result = await runLoad(
    '--port',
    portOf(server),
    '--connections',
    CLIENTS,
    '--transfer',
    BYTES,
    '--seed',
    seed,
  );
  expect(result['bytesReceived'], `seed ${seed}`).toBe(CLIENTS * BYTES);
  expect(pool.stats().exclusivityViolations).toBe(0);
});

it.each(MODES)('%s: handlers that return promises move them as well', async (mode) => {
  const { pool } = await openPool('streams', { minThreads: 4 });
  const server = await listen(pool, 'asyncEcho', { mode });
  const seed = Date.now() % 1_000_000;
  const bytes = BYTES / 2;
  const result = await runLoad(
    '--port',
    portOf(server),
    '--connections',
    CLIENTS,
    '--transfer',
    bytes,
    '--seed',
    seed,
  );
  expect(result['bytesReceived'], `seed ${seed}`).toBe(CLIENTS * bytes);
});

it.each(MODES)('%s: with the smallest buffers and one thread as well', async (mode) => {
  const { pool } = await openPool('streams', {
    minThreads: 1,
    highWaterMark: 1,
    bufferMemory: 64 * 1024 * CLIENTS * 4,
    ringSize: 4,
  });
  const server = await listen(pool, 'echo', { mode });
  const seed = Date.now() % 1_000_000;
  const bytes = BYTES / 2;
  const result = await runLoad(
    '--port',
    portOf(server),
    '--connections',
    CLIENTS,
    '--transfer',
    bytes,
    '--seed',
    seed,
  );
  expect(result['bytesReceived'], `seed ${seed}`).toBe(CLIENTS * bytes);
});

it('a worker that has work takes the next itself: far fewer wake-ups than events', async () => {
  const { pool } = await openPool('streams', { minThreads: 2 });
  const server = await listen(pool, 'echo');
  await runLoad('--port', portOf(server), '--connections', 64, '--requests', STRESS ? 1_000_000 : 20_000);
  const { workers } = pool.stats();
  const sum = (of: 'handled' | 'parks' | 'wakes' | 'polls'): number =>
    workers.reduce((total, worker) => total + worker[of], 0);
  // A handler is counted when it is over: the client has the last answers a moment before.
  expect(sum('handled')).toBeGreaterThanOrEqual(20_000 - workers.length);
  expect(sum('wakes')).toBeLessThan(sum('handled') / 2);
  expect(sum('parks')).toBeLessThan(sum('handled') / 2);
});

it.each(MODES)(
  '%s: an event beside idle connections costs the turns and polls that it costs alone',
  async (mode) => {
    const { pool } = await openPool('streams', { minThreads: 2 });
    const server = await listen(pool, 'echo', { mode });
    const cost = async (): Promise<{ turns: number; polls: number }> => {
      const total = (of: 'taken' | 'polls'): number =>
        pool.stats().workers.reduce((sum, worker) => sum + worker[of], 0);
      const before = { turns: total('taken'), polls: total('polls') };
      const requests = 2000;
      await runLoad('--port', portOf(server), '--connections', 1, '--requests', requests);
      return {
        turns: (total('taken') - before.turns) / requests,
        polls: (total('polls') - before.polls) / requests,
      };
    };
    const alone = await cost();
    const idle = await openIdle('--port', portOf(server), '--connections', STRESS ? 19_000 : 1500);
    const beside = await cost();
    await idle.end();
    expect(alone.turns).toBeLessThan(1.2);
    expect(beside.turns).toBeLessThan(1.2);
    expect(beside.polls).toBeLessThan(alone.polls + 0.2);
  },
  120_000,
);
