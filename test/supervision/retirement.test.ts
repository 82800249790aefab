/**
 * Spare threads: started when all are blocked while work waits, retired when they have slept long enough, in order and without
 * being taken for dead. Scenario 108 and, of the issue, threads above `minThreads`.
 */
import { expect, it } from 'vitest';
import { type Client, openClients } from '../servers/client.ts';
import { until } from '../servers/deadline.ts';
import { guardPools, listen, STRESS } from '../servers/pools.ts';
import { type Activity, ranBetween } from './threads.ts';
import { type Limits, Load, openLimits, Shared } from './limits-world.ts';

guardPools();

const MIN = 2;
const MAX = 5;
const IDLE_MS = 40;

const present = ({ pool }: Limits): number =>
  pool.stats().workers.filter(({ state }) => state !== 'absent').length;

/** Worker threads that the kernel knows. */
const threads = (limits: Limits): number => limits.activity().filter((thread) => thread !== undefined).length;

/** Blocks workers until there are as many threads as there may be. */
async function growToMost(limits: Limits, handler: 'declares' | 'blocks'): Promise<void> {
  for (const at of [Shared.GATE, Shared.BEGUN, Shared.SENT]) limits.write(at, 0);
  limits.write(Shared.SENT, 1);
  const clients = await openClients(await listen(limits.pool, handler), MAX);
  for (const client of clients) client.write('x');
  await until(
    () => present(limits) === MAX,
    () => `${MAX} threads; there are ${present(limits)}`,
  );
  await answered(limits, clients);
}

async function pass(ms: number): Promise<void> {
  const from = performance.now();
  await until(() => performance.now() - from > ms, 'some time');
}

async function answered(limits: Limits, clients: readonly Client[]): Promise<void> {
  limits.write(Shared.GATE, 1);
  for (const client of clients) await client.read(1);
  for (const client of clients) await client.close();
}

it.each(['declares', 'blocks'] as const)(
  'a pool whose workers are all blocked (%s) grows, shrinks when it is idle, and grows again',
  async (handler) => {
    const limits = await openLimits({
      minThreads: MIN,
      maxThreads: MAX,
      concurrency: 1,
      idleTimeoutMs: IDLE_MS,
    });
    const exits: Error[] = [];
    limits.pool.on('workerExit', (error) => exits.push(error));
    for (let round = 1; round <= (STRESS ? 10 : 2); round++) {
      await growToMost(limits, handler);
      await until(
        () => present(limits) === MIN,
        () => `${MIN} threads; there are ${present(limits)}`,
      );
      expect(limits.pool.stats().workers.length).toBe(MAX);
      expect(threads(limits)).toBe(MIN);
      expect(limits.read(Shared.DISPOSED)).toBe(round * (MAX - MIN));
      const [client] = await openClients(await listen(limits.pool, 'spins'), 1);
      client?.write('y');
      expect((await client?.read(1))?.toString()).toBe('y');
    }
    expect(exits).toEqual([]);
  },
);

it('threads that retire while work comes and goes lose none of it', async () => {
  const limits = await openLimits({ minThreads: 1, maxThreads: 4, concurrency: 2, idleTimeoutMs: 1 });
  const exits: Error[] = [];
  limits.pool.on('workerExit', (error) => exits.push(error));
  limits.write(Shared.SPIN_US, 50);
  for (let round = 0; round < (STRESS ? 200 : 12); round++) {
    const pauses = await Load.begin(limits, 'pauses', 4);
    const started = limits.read(Shared.STARTED);
    await limits.reaches(Shared.STARTED, started + 20, 'handlers');
    await pauses.stop();
    if (round % 4 === 0)
      await until(
        () => present(limits) === 1,
        () => `one thread; there are ${present(limits)}`,
      );
  }
  expect(limits.read(Shared.DISPOSED)).toBeGreaterThan(0);
  expect(exits).toEqual([]);
});

it('a pool is closed while threads retire', async () => {
  for (let round = 0; round < (STRESS ? 50 : 4); round++) {
    const limits = await openLimits({ minThreads: 1, maxThreads: 4, concurrency: 4, idleTimeoutMs: 1 });
    const load = await Load.begin(limits, 'pauses', 8);
    await limits.reaches(Shared.STARTED, 30, 'handlers');
    await load.stop();
    await limits.pool.close({ timeoutMs: 1000 });
    expect(
      limits.pool
        .stats()
        .workers.map(({ state }) => state)
        .filter((state) => state !== 'absent' && state !== 'stopped'),
    ).toEqual([]);
  }
});

it('to look for threads that have slept long enough wakes none of them', async () => {
  const limits = await openLimits({
    minThreads: 1,
    maxThreads: 3,
    concurrency: 1,
    idleTimeoutMs: 2000,
    safetyTimeoutMs: 0,
  });
  for (const at of [Shared.GATE, Shared.SENT]) limits.write(at, 0);
  limits.write(Shared.SENT, 1);
  const clients = await openClients(await listen(limits.pool, 'blocks'), 3);
  for (const client of clients) client.write('x');
  await until(() => present(limits) === 3, 'three threads');
  await answered(limits, clients);
  const known = (): Activity[] => limits.activity().flatMap((thread) => thread ?? []);
  await until(() => known().length === 3, 'three threads that are up');
  await until(
    () => limits.pool.stats().workers.every(({ state }) => state === 'parked' || state === 'polling'),
    'rest',
  );
  await pass(100);
  const before = known();
  // Longer than a quarter of the idle time: there was a look.
  await pass(700);
  expect(ranBetween(before, known())).toEqual([]);
  await until(
    () => present(limits) === 1,
    () => `one thread; there are ${present(limits)}`,
  );
});
