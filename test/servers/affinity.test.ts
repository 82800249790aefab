/**
 * Sticky registrations on real threads and sockets: always the same worker, with what they keep there; a worker that dies
 * takes its own with it, and no others; a limit below the number of their workers serves all. And what `local` is to all others.
 */
import { describe, expect, it } from 'vitest';
import { openNative } from '../../src/native/index.ts';
import { type Client, openClient, openClients } from './client.ts';
import { until } from './deadline.ts';
import { afterTest, guardPools, listen, openPool, STRESS } from './pools.ts';

const STRANGERS = 1;
const MODES = ['edge', 'oneshot'] as const;
const ROUNDS = STRESS ? 2000 : 60;

guardPools();

/** The worker that answers, and the number of the line. */
async function ask(client: Client): Promise<[worker: number, lines: number]> {
  client.write('x\n');
  const [worker = '', lines = ''] = (await client.line()).split(' ');
  return [Number(worker), Number(lines)];
}

const workersOf = (clients: readonly Client[]): Promise<number[]> =>
  Promise.all(clients.map(async (client) => (await ask(client))[0]));

describe.each(MODES)('sticky connections, %s', (mode) => {
  it('always run in the same of four workers, under load of others, and find their objects there', async () => {
    const { pool, journal } = await openPool('affinity', { minThreads: 4, concurrency: 4 });
    const server = await listen(pool, 'counting', { mode, affinity: 'sticky' });
    const clients = await openClients(server, 24);
    const homes = await workersOf(clients);
    // Evenly: each worker has as many.
    for (const worker of [0, 1, 2, 3]) expect(homes.filter((home) => home === worker).length).toBe(6);
    for (let round = 0; round < ROUNDS; round++) {
      if (round % 4 === 0) for (let i = 0; i < 8; i++) pool.post('busy', 0.2);
      const some = [...clients.keys()].filter((i) => (i * 5 + round) % 3 !== 0);
      for (const i of some) clients[i]?.write('x\n');
      for (const i of some) expect((await clients[i]?.line())?.split(' ')[0]).toBe(`${homes[i]}`);
    }
    const lines = await Promise.all(clients.map(async (client) => (await ask(client))[1]));
    expect(Math.min(...lines)).toBeGreaterThan(ROUNDS / 2);
    expect(journal.counted(STRANGERS)).toBe(0);
    for (const client of clients) await client.close();
    await journal.until('close', clients.length);
    expect(journal.all('close').every(({ type, local }) => type === 'end' && Number(local) > 0)).toBe(true);
  });

  it('are all served when one worker at a time may run', async () => {
    const { pool, journal } = await openPool('affinity', { minThreads: 4, concurrency: 1 });
    const server = await listen(pool, 'counting', { mode, affinity: 'sticky' });
    const clients = await openClients(server, 8);
    const homes = await workersOf(clients);
    expect(new Set(homes).size).toBe(4);
    for (let round = 0; round < ROUNDS; round++) expect(await workersOf(clients)).toEqual(homes);
    // Also while somebody always has work of all.
    const flood = setInterval(() => {
      for (let i = 0; i < 100; i++) pool.post('busy', 0.05);
    }, 1);
    for (let round = 0; round < 5; round++) expect(await workersOf(clients)).toEqual(homes);
    clearInterval(flood);
    expect(journal.counted(STRANGERS)).toBe(0);
  });

  it('end with their worker, in another one, and those of other workers go on', async () => {
    const { pool, journal } = await openPool('affinity', { minThreads: 3, concurrency: 3 });
    pool.on('workerExit', () => {});
    const server = await listen(pool, 'counting', { mode, affinity: 'sticky' });
    const clients = await openClients(server, 12);
    const homes = await workersOf(clients);
    const [victim = 0] = homes;
    const doomed = clients.filter((_, i) => homes[i] === victim);
    doomed[0]?.write('die\n');
    const closed = await journal.until('close', doomed.length);
    await Promise.all(doomed.map((client) => client.over()));
    expect(closed.every(({ type, local }) => type === 'worker-died' && local === null)).toBe(true);
    for (const [i, client] of clients.entries())
      if (homes[i] !== victim) expect(await ask(client)).toEqual([homes[i], 2]);
    expect(journal.all('close').length).toBe(doomed.length);
    // The one that takes its place takes new ones.
    await until(
      () => pool.stats().workers.every(({ state }) => /running|parked|polling/.test(state)),
      'a worker',
    );
    const later = await openClients(server, 4);
    expect(await workersOf(later)).toContain(victim);
    expect(journal.counted(STRANGERS)).toBe(0);
  });
});

it('a worker in which something lives does not retire', async () => {
  const { pool } = await openPool('affinity', {
    minThreads: 1,
    maxThreads: 2,
    concurrency: 2,
    idleTimeoutMs: 20,
  });
  const present = (): number => pool.stats().workers.filter(({ state }) => state !== 'absent').length;
  for (let i = 0; i < 400; i++) pool.post('busy', 2);
  await until(() => present() === 2, 'a second worker');
  await until(() => pool.stats().workers.every(({ state }) => state !== 'starting'), 'its start');
  const server = await listen(pool, 'counting', { affinity: 'sticky' });
  const clients = await openClients(server, 2);
  expect(new Set(await workersOf(clients)).size).toBe(2);
  await until(() => pool.stats().registered === 3, 'the end of the posts');
  const from = performance.now();
  await until(() => performance.now() - from > 200, 'some time');
  expect(present()).toBe(2);
  for (const client of clients) await client.close();
  await until(() => present() === 1, 'one of them has retired');
});

it('a bare descriptor keeps a value', async () => {
  const { pool, journal } = await openPool('affinity', { minThreads: 3, concurrency: 3 });
  const native = openNative();
  const fd = native.eventfd();
  afterTest(() => native.close(fd));
  const registration = pool.add(fd, { handler: 'bare', affinity: 'sticky' });
  for (let i = 1; i <= 20; i++) {
    native.signal(fd);
    await journal.until('event', i);
  }
  const events = journal.all('event');
  expect(events.map(({ local }) => local)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  expect(new Set(events.map(({ worker }) => worker)).size).toBe(1);
  await registration.teardown();
  expect(journal.all('last')).toEqual([expect.objectContaining({ type: 'teardown', local: 20 })]);
});

describe('a sticky group', () => {
  it('has all its members in one worker, with a value each', async () => {
    const { pool, journal } = await openPool('affinity', { minThreads: 4, concurrency: 4 });
    const groups = [pool.group({ affinity: 'sticky' }), pool.group({ affinity: 'sticky' })];
    const servers = await Promise.all(groups.map((group) => listen(pool, 'member', { group })));
    const clients = (await Promise.all(servers.map((server) => openClients(server, 4)))).flat();
    const homes = await workersOf(clients);
    expect([new Set(homes.slice(0, 4)).size, new Set(homes.slice(4)).size]).toEqual([1, 1]);
    expect(homes[0]).not.toBe(homes[4]);
    for (let round = 2; round < ROUNDS; round++)
      for (const answer of await Promise.all(clients.map(ask))) expect(answer[1]).toBe(round);
    expect(journal.counted(STRANGERS)).toBe(0);
    for (const group of groups) await group.teardown();
  });

  it('ends with its worker', async () => {
    const { pool, journal } = await openPool('affinity', { minThreads: 2 });
    pool.on('workerExit', () => {});
    const group = pool.group({ affinity: 'sticky' });
    const server = await listen(pool, 'member', { group });
    const [one, two] = await openClients(server, 2);
    await workersOf([one as Client, two as Client]);
    one?.write('die\n');
    const closed = await journal.until('close', 2);
    expect(closed.map(({ type }) => type)).toEqual(['worker-died', 'worker-died']);
    await group.ended();
  });
});

describe('to all others', () => {
  it('`local` throws, and says why', async () => {
    const { pool } = await openPool('affinity');
    const client = await openClient(await listen(pool, 'any'));
    client.write('x');
    expect(await client.line()).toMatch(
      /^ERR_WAKEONE_AFFINITY connection\.local is only there with affinity/,
    );
  });

  it('a sticky connection joins no group', async () => {
    const { pool } = await openPool('affinity');
    const client = await openClient(await listen(pool, 'joins', { affinity: 'sticky' }));
    client.write('x');
    expect(await client.line()).toBe('ERR_WAKEONE_AFFINITY');
  });

  it('an affinity that makes no sense is refused', async () => {
    const { pool } = await openPool('affinity');
    const refused: unknown = expect.objectContaining({ code: 'ERR_WAKEONE_INVALID_OPTION' });
    const group = pool.group();
    for (const options of [{ affinity: 'glue' as 'any' }, { affinity: 'sticky', group } as const])
      await expect(listen(pool, 'any', options)).rejects.toEqual(refused);
    expect(() => pool.group({ affinity: 1 as unknown as 'any' })).toThrow(refused);
    await group.teardown();
  });
});
