/**
 * The end of a pool: draining, destroying, what is refused afterwards. Scenarios 75, 78, and of the issue: `close` with
 * `timeoutMs`, `destroy`, `await using`.
 */
import { closeSync } from 'node:fs';
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createPool, type Pool, type PoolOptions } from 'wakeone';
import { openNative } from '../../src/native/index.ts';
import { openClient, openClients } from '../servers/client.ts';
import { until, within } from '../servers/deadline.ts';
import { Journal } from '../servers/journal.ts';
import { afterTest, guardPools, listen, openPool, type World } from '../servers/pools.ts';

const OPENED = 1;
const CLOSED = 2;
const GATE = 3;
const WAITING = 4;
const MODES = ['edge', 'oneshot'] as const;
const MIB = 1024 * 1024;

guardPools();

async function openGood(options: Partial<PoolOptions> = {}): Promise<World> {
  const journal = new Journal();
  const pool = await createPool({
    minThreads: 2,
    concurrency: options.minThreads ?? 2,
    ...options,
    handlers: new URL('handlers/good.mjs', import.meta.url),
    workerData: { journal: journal.memory },
  });
  afterTest(() => pool.destroy());
  return { pool, journal };
}

function expectEmpty(pool: Pool): void {
  const { registered, exclusivityViolations, rescuedWakeups } = pool.stats();
  expect({ registered, exclusivityViolations, rescuedWakeups }).toEqual({
    registered: 0,
    exclusivityViolations: 0,
    rescuedWakeups: 0,
  });
}

describe.each(MODES)('pool.close() with connections in mode %s', (mode) => {
  it('ends each with one close, refuses new ones, and ends all threads', async () => {
    const threads = readdirSync('/proc/self/task').length;
    const { pool, journal } = await openGood();
    const server = await listen(pool, 'echo', { mode });
    const clients = await openClients(server, 30);
    for (const client of clients) client.write('x');
    for (const client of clients) await client.read(1);
    let closes = 0;
    pool.on('close', () => closes++);
    const closed = pool.close();
    expect(pool.open).toBe(false);
    await within(closed, 'close');
    expect(closes).toBe(1);
    expect(journal.counted(OPENED)).toBe(30);
    expect(journal.counted(CLOSED)).toBe(30);
    expect(new Set(journal.all('close').map((entry) => entry['type']))).toEqual(new Set(['pool-closed']));
    for (const client of clients) expect(await client.over()).toBe('end');
    await expect(openClient(server)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expectEmpty(pool);
    await until(() => readdirSync('/proc/self/task').length <= threads, 'the end of all threads');
  });

  it('answers what had arrived before it', async () => {
    const { pool, journal } = await openGood();
    const blocked = await listen(pool, 'gated', { mode });
    const server = await listen(pool, 'echo', { mode });
    const clients = await openClients(server, 10);
    await journal.untilCounted(OPENED, 10);
    const holders = await openClients(blocked, 2);
    for (const holder of holders) holder.write('held');
    await journal.untilCounted(WAITING, 2);
    for (const client of clients) client.write('in time');
    const closed = pool.close();
    journal.set(GATE, 1);
    for (const holder of holders) expect((await holder.rest()).toString()).toBe('held');
    for (const client of clients) expect((await client.rest()).toString()).toBe('in time');
    await within(closed, 'close');
    expectEmpty(pool);
  });

  it('sends what is unsent, however long the peer takes within the time', async () => {
    const { pool, journal } = await openGood();
    const client = await openClient(await listen(pool, 'bulk', { mode }));
    client.socket.pause();
    client.write('x');
    const [sent] = await journal.until('sent');
    expect(sent?.['left']).toBeGreaterThan(0);
    const closed = pool.close({ timeoutMs: 20_000 });
    client.socket.resume();
    expect((await client.rest()).length).toBe(8 * MIB);
    await within(closed, 'close');
    expect(journal.all('close')).toMatchObject([{ type: 'pool-closed' }]);
    expectEmpty(pool);
  });

  it('destroys what is left after timeoutMs', async () => {
    const { pool, journal } = await openGood();
    const client = await openClient(await listen(pool, 'bulk', { mode }));
    client.socket.pause();
    client.write('x');
    await journal.until('sent');
    const from = performance.now();
    await within(pool.close({ timeoutMs: 100 }), 'close');
    expect(performance.now() - from).toBeGreaterThanOrEqual(99);
    expect(performance.now() - from).toBeLessThan(2000);
    expect(journal.all('close')).toMatchObject([{ type: 'pool-destroyed' }]);
    expectEmpty(pool);
  });

  it('gives way to destroy()', async () => {
    const { pool, journal } = await openGood();
    const client = await openClient(await listen(pool, 'bulk', { mode }));
    client.socket.pause();
    client.write('x');
    await journal.until('sent');
    const closed = pool.close({ timeoutMs: 20_000 });
    const from = performance.now();
    await within(Promise.all([pool.destroy(), closed]), 'the end');
    expect(performance.now() - from).toBeLessThan(2000);
    expect(journal.all('close')).toMatchObject([{ type: 'pool-destroyed' }]);
    expectEmpty(pool);
  });

  it('can be asked for by a handler', async () => {
    const { pool, journal } = await openGood();
    const client = await openClient(await listen(pool, 'closer', { mode }));
    const closed = new Promise<void>((resolve) => pool.on('close', resolve));
    client.write('please');
    expect((await client.rest()).toString()).toBe('please');
    await within(closed, 'close');
    expect(journal.all('close')).toMatchObject([{ type: 'pool-closed' }]);
    expectEmpty(pool);
  });
});

it('close() and destroy() may be called any number of times, and resolve once all is over', async () => {
  const { pool } = await openGood();
  await listen(pool, 'echo');
  let closes = 0;
  pool.on('close', () => closes++);
  await within(
    Promise.all([pool.close(), pool.close(), pool.destroy(), pool.close({ timeoutMs: 1 })]),
    'the end',
  );
  await pool.close();
  await pool.destroy();
  expect(closes).toBe(1);
});

it('close() of a pool that is idle is prompt, with each number of threads', async () => {
  for (const minThreads of [1, 2, 3, 4]) {
    const { pool } = await openGood({ minThreads });
    const from = performance.now();
    await pool.close();
    expect(performance.now() - from).toBeLessThan(1000);
    expect(pool.stats().workers.every((worker) => worker.state === 'stopped')).toBe(true);
  }
});

it('destroy() drops what is unsent at once', async () => {
  const { pool, journal } = await openGood();
  const client = await openClient(await listen(pool, 'bulk'));
  client.socket.pause();
  client.write('x');
  await journal.until('sent');
  await within(pool.destroy(), 'destroy');
  expect(journal.all('close')).toMatchObject([{ type: 'pool-destroyed' }]);
  client.socket.resume();
  await client.over();
  expect(client.received).toBeLessThan(8 * MIB);
  expectEmpty(pool);
});

it('destroy() ends a worker whose handler does not end', async () => {
  const { pool, journal } = await openGood({ graceMs: 0 });
  const client = await openClient(await listen(pool, 'endless'));
  client.write('x');
  const [running] = await journal.until('running');
  const { fd = -1, generation = -1 } = running ?? {};
  const torn = pool.registration({ fd, generation }).teardown();
  await within(pool.destroy(), 'destroy');
  await within(torn, 'the teardown');
  await client.over();
  expectEmpty(pool);
});

it('the end of a scope with `await using` closes the pool', async () => {
  const { pool, journal } = await openGood();
  const client = await openClient(await listen(pool, 'echo'));
  client.write('x');
  await client.read(1);
  await pool[Symbol.asyncDispose]();
  expect(journal.all('close')).toMatchObject([{ type: 'pool-closed' }]);
  expectEmpty(pool);
});

it('descriptors that were lent get their last delivery and stay open', async () => {
  const { pool, journal } = await openGood();
  const native = openNative();
  const lent = native.eventfd();
  const given = native.eventfd();
  pool.add(lent, { handler: 'bare' });
  pool.add(given, { handler: 'bare', ownership: 'own' });
  await within(pool.close(), 'close');
  expect(new Set(journal.all('last').map((entry) => entry.fd))).toEqual(new Set([lent, given]));
  expect(native.statusFlags(lent)).toBeGreaterThanOrEqual(0);
  expect(native.statusFlags(given)).toBeLessThan(0);
  closeSync(lent);
});

it('a closed pool refuses everything with ERR_WAKEONE_POOL_CLOSED, and its handles say that they have ended', async () => {
  const { pool } = await openPool('descriptors');
  const native = openNative();
  const fd = native.eventfd();
  afterTest(() => closeSync(fd));
  const registration = pool.add(fd, { handler: 'drain' });
  await pool.close();
  const refused = expect.objectContaining({ code: 'ERR_WAKEONE_POOL_CLOSED' }) as Error;
  const stale = expect.objectContaining({ code: 'ERR_WAKEONE_STALE_REGISTRATION' }) as Error;
  expect(() => pool.add(fd, { handler: 'drain' })).toThrow(refused);
  await expect(pool.listen({ port: 0, handler: 'drain' })).rejects.toThrow(refused);
  expect(registration.active).toBe(false);
  expect(() => registration.enable()).toThrow(stale);
  expect(() => registration.modify({ events: ['out'] })).toThrow(stale);
  await registration.teardown();
  await registration.ended();
  expect(pool.stats().registered).toBe(0);
});

it.each([[-1], [Number.NaN], [2 ** 31], ['5']])('close() refuses the timeout %s', async (timeoutMs) => {
  const { pool } = await openGood({ minThreads: 1 });
  await expect(pool.close({ timeoutMs: timeoutMs as number })).rejects.toThrow(
    expect.objectContaining({ code: 'ERR_WAKEONE_INVALID_ARGUMENT' }),
  );
  expect(pool.open).toBe(true);
});

it.each(MODES)(
  'a client that keeps sending while the pool drains gets all answers and a FIN in mode %s',
  async (mode) => {
    const { pool } = await openPool('streams');
    const client = await openClient(await listen(pool, 'echo', { mode }));
    const chunk = Buffer.alloc(16 * 1024, 7);
    let sent = 0;
    const pump = (): void => {
      if (client.ended) {
        client.socket.end();
        return;
      }
      sent += chunk.length;
      client.socket.write(chunk, () => setImmediate(pump));
    };
    pump();
    await until(() => client.received > 2 ** 20, 'a stream in full flow');
    await pool.close({ timeoutMs: 10_000 });
    await until(
      () => client.ended,
      () => `the FIN; ${client.failure?.message} ${client.received} of ${sent}`,
    );
    expect(client.failure).toBeUndefined();
    expect(client.received).toBeGreaterThan(2 ** 20);
    expect(client.received).toBeLessThanOrEqual(sent);
  },
);
