/**
 * Handlers that return promises or start timers and I/O: the worker's event loop has its turns whether the pool is busy
 * or idle, with one thread too; an active connection stays exclusive until its promise has settled. Scenario 89, and of
 * the issue: async handlers, AbortSignal, pause and resume.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { RegistrationId } from 'wakeone';
import { type Client, openClient, openClients } from './client.ts';
import { until, within } from './deadline.ts';
import type { Entry } from './journal.ts';
import { afterTest, guardPools, listen, openPool, type World } from './pools.ts';

const THREADS = [1, 2, 4] as const;
const MODES = ['edge', 'oneshot'] as const;

guardPools();

async function openUpstream(): Promise<number> {
  const server = createServer((socket) => {
    socket.on('data', (chunk) => socket.write(chunk.toString().toUpperCase()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterTest(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as { port: number }).port;
}

async function openAsyncPool(minThreads: number, graceMs = 1000): Promise<World> {
  return openPool('async', { minThreads, graceMs, workerData: { upstream: await openUpstream() } });
}

function idOf(entry: Entry | undefined): RegistrationId {
  return { fd: entry?.fd ?? -1, generation: entry?.generation ?? -1 };
}

/** Keeps the pool busy with echoes until `stop()`. */
async function keepBusy(world: World): Promise<{ stop(): Promise<void> }> {
  const server = await listen(world.pool, 'echo');
  const clients = await openClients(server, 8);
  const over = new AbortController();
  const pump = async (client: Client): Promise<void> => {
    while (!over.signal.aborted) {
      client.write('0123456789');
      await client.read(10);
    }
  };
  // A client that is closed because the test has failed is not what the test is about.
  const pumps = clients.map((client) => pump(client).catch(() => {}));
  await world.journal.untilCounted(1, 100);
  return {
    async stop() {
      over.abort();
      await Promise.all(pumps);
    },
  };
}

/** Until no worker runs: each sleeps, or waits in the kernel. */
function idle(pool: World['pool']): Promise<void> {
  return until(() => pool.stats().workers.every(({ state }) => state !== 'running'), 'an idle pool');
}

const DEEDS: readonly [string, string][] = [
  ['timer 20', 'timer 20'],
  ['promises 1000', 'promises 1000'],
  ['immediates 50', 'immediates 50'],
  ['ticks 100', 'ticks 100'],
  ['file', 'file // Handlers'],
  ['threads', 'threads 8'],
  ['socket hello', 'socket HELLO AGAIN'],
  ['child', 'child from a child'],
  ['settled', 'settled'],
];

describe.each(THREADS)('a pool of %i threads', (threads) => {
  it('ends what a handler awaits, one thing after the other, while the pool is idle', async () => {
    const { pool } = await openAsyncPool(threads);
    const client = await openClient(await listen(pool, 'deeds'));
    for (const [deed, result] of [...DEEDS, ...DEEDS]) {
      client.write(`${deed}\n`);
      expect(await client.line()).toBe(result);
    }
  });

  it('ends what a handler has started and left, each alone, while the pool is idle', async () => {
    const { pool, journal } = await openAsyncPool(threads);
    const client = await openClient(await listen(pool, 'started'));
    for (const [i, [deed, result]] of DEEDS.entries()) {
      client.write(`${deed}\n`);
      expect(await client.line()).toBe('started');
      expect((await journal.until('done', i + 1)).at(-1)?.['result']).toBe(result);
    }
  });

  it('ends all of them while the pool is busy', async () => {
    const world = await openAsyncPool(threads);
    const awaited = await openClient(await listen(world.pool, 'deeds'));
    const left = await openClient(await listen(world.pool, 'started'));
    const load = await keepBusy(world);
    for (const [deed, result] of DEEDS) {
      awaited.write(`${deed}\n`);
      expect(await awaited.line()).toBe(result);
      left.write(`${deed}\n`);
      expect(await left.line()).toBe('started');
    }
    const done = await world.journal.until('done', DEEDS.length);
    expect(new Set(done.map((entry) => entry['result']))).toEqual(new Set(DEEDS.map(([, result]) => result)));
    await load.stop();
  });

  it('fires timers that a handler has set, in time, and no sooner', async () => {
    const { pool, journal } = await openAsyncPool(threads);
    const client = await openClient(await listen(pool, 'timers'));
    client.write('go');
    await client.line();
    const ticks = await journal.until('tick', 5);
    const [shot] = await journal.until('shot');
    await journal.until('immediate');
    await journal.until('microtask');
    await journal.until('tick0');
    expect(shot?.['ms']).toBeGreaterThanOrEqual(29);
    expect(shot?.['ms']).toBeLessThan(1000);
    expect(ticks.at(-1)?.['ms']).toBeGreaterThanOrEqual(49);
    expect(ticks.at(-1)?.['ms']).toBeLessThan(1000);
  });

  it('serves other connections while a handler of one is pending', async () => {
    const { pool, journal } = await openAsyncPool(threads, 50);
    const stuck = await openClients(await listen(pool, 'stuck'), 5);
    for (const client of stuck) client.write('x');
    await journal.until('stuck', 5);
    const clients = await openClients(await listen(pool, 'echo'), 5);
    for (let round = 0; round < 100; round++) {
      for (const client of clients) client.write('ping');
      for (const client of clients) expect((await client.read(4)).toString()).toBe('ping');
    }
    await pool.destroy();
    expect(journal.all('close').map((entry) => entry['type'])).toEqual(Array(5).fill('pool-destroyed'));
  });

  it('runs no other handler of a connection before its promise has settled', async () => {
    const { pool, journal } = await openAsyncPool(threads);
    const client = await openClient(await listen(pool, 'everything'));
    client.write('a');
    await journal.until('data');
    client.write('b');
    client.socket.end();
    expect((await client.rest()).toString()).toBe('ab!');
    await journal.until('closed');
    expect(journal.entries.map((entry) => entry['text'] ?? entry.on)).toEqual([
      'open',
      'opened',
      'a',
      'answered',
      'b',
      'answered',
      'end',
      'ended',
      'close',
      'closed',
    ]);
  });
});

it.each(THREADS)(
  'with %i threads, what an abort has set going goes on at once in a worker that sleeps',
  async (threads) => {
    // So long that only the abort can have ended the handlers.
    const { pool, journal } = await openAsyncPool(threads, 20_000);
    const server = await listen(pool, 'aborted');
    for (const [i, how] of ['reason', 'cause', 'reason', 'cause'].entries()) {
      const client = await openClient(server);
      client.write(how);
      const [stuck] = (await journal.until('stuck', i + 1)).slice(-1);
      await idle(pool);
      await within(pool.registration(idOf(stuck)).teardown(42), 'the teardown');
      await client.over();
    }
    expect(journal.all('close').map((entry) => entry['type'])).toEqual(Array(4).fill('teardown'));
  },
);

it('an async handler of a user event that rejects by its signal is not reported', async () => {
  const { pool, journal } = await openAsyncPool(2);
  const errors: unknown[] = [];
  pool.on('handlerError', (error) => errors.push(error));
  const event = pool.userEvent({ handler: 'abortedEvent' });
  event.post();
  await journal.until('stuck');
  await within(event.teardown(42), 'the teardown');
  expect(journal.all('last')).toMatchObject([{ type: 'teardown', detail: 42 }]);
  await pool.close();
  expect(errors).toEqual([]);
});

describe.each(MODES)('an async handler in mode %s', (mode) => {
  it('takes the teardown of its connection as an abort signal', async () => {
    const { pool, journal } = await openAsyncPool(2);
    const client = await openClient(await listen(pool, 'obedient', { mode }));
    client.write('x');
    const [stuck] = await journal.until('stuck');
    const torn = pool.registration(idOf(stuck)).teardown(42);
    await within(torn, 'the teardown');
    expect(journal.all('obeyed')).toMatchObject([{ aborted: true }]);
    expect(journal.all('close')).toMatchObject([{ type: 'teardown', detail: 42 }]);
    expect((await client.rest()).toString()).toBe('bye');
  });

  it('loses its handle when it goes on for longer than the grace time', async () => {
    const { pool, journal } = await openAsyncPool(2, 100);
    const client = await openClient(await listen(pool, 'outlived', { mode }));
    client.write('x');
    const [stuck] = await journal.until('stuck');
    const from = performance.now();
    await within(pool.registration(idOf(stuck)).teardown(), 'the teardown');
    expect(performance.now() - from).toBeGreaterThanOrEqual(99);
    expect(await journal.until('revoked')).toMatchObject([{ code: 'ERR_WAKEONE_NOT_OWNER' }]);
    expect(journal.all('close')).toMatchObject([{ type: 'teardown' }]);
    await client.rest();
  });

  it('that never settles is ended by a teardown, with one thread, and its worker goes on', async () => {
    const { pool, journal } = await openAsyncPool(1, 50);
    const client = await openClient(await listen(pool, 'stuck', { mode }));
    client.write('x');
    const [stuck] = await journal.until('stuck');
    await within(pool.registration(idOf(stuck)).teardown(7), 'the teardown');
    expect(journal.all('abort')).toMatchObject([{ code: 'ERR_WAKEONE_ABORTED' }]);
    expect(journal.all('close')).toMatchObject([{ type: 'teardown', detail: 7 }]);
    const other = await openClient(await listen(pool, 'echo', { mode }));
    other.write('ping');
    await other.read(4);
  });

  it('may end its connection in a drain: close() waits for it, longer than the grace time', async () => {
    const { pool, journal } = await openAsyncPool(2, 20);
    const client = await openClient(await listen(pool, 'deeds', { mode }));
    client.write('timer 300\n');
    await until(() => pool.stats().workers.some((worker) => worker.handled > 0), 'the handler');
    await pool.close({ timeoutMs: 5000 });
    expect((await client.rest()).toString()).toBe('timer 300\n');
    expect(journal.all('close')).toMatchObject([{ type: 'pool-closed' }]);
  });

  it('that is pending when close() runs out of time is destroyed', async () => {
    const { pool, journal } = await openAsyncPool(2, 20);
    const client = await openClient(await listen(pool, 'stuck', { mode }));
    client.write('x');
    await journal.until('stuck');
    const from = performance.now();
    await within(pool.close({ timeoutMs: 100 }), 'close');
    expect(performance.now() - from).toBeGreaterThanOrEqual(99);
    expect(journal.all('close')).toMatchObject([{ type: 'pool-destroyed' }]);
    await client.over();
  });

  it.each(['reason', 'cause'])('that rejects by the %s of its signal has only done as asked', async (how) => {
    const { pool, journal } = await openAsyncPool(2);
    const errors: unknown[] = [];
    pool.on('handlerError', (error) => errors.push(error));
    const client = await openClient(await listen(pool, 'aborted', { mode }));
    client.write(how);
    const [stuck] = await journal.until('stuck');
    await within(pool.registration(idOf(stuck)).teardown(42), 'the teardown');
    expect(journal.all('close')).toMatchObject([{ type: 'teardown', detail: 42 }]);
    expect(journal.all('error')).toEqual([]);
    await client.over();
    await pool.close();
    expect(errors).toEqual([]);
  });

  it('that throws something else when its signal is set has failed', async () => {
    const { pool, journal } = await openAsyncPool(2);
    const client = await openClient(await listen(pool, 'aborted', { mode }));
    client.write('own');
    const [stuck] = await journal.until('stuck');
    await within(pool.registration(idOf(stuck)).teardown(42), 'the teardown');
    expect(journal.all('close')).toMatchObject([{ type: 'error', message: 'of its own' }]);
    await client.over();
  });

  it('that rejects ends its connection, and the pool hears of it', async () => {
    const { pool, journal } = await openAsyncPool(2);
    const errors: { error: unknown; fd: number }[] = [];
    pool.on('handlerError', (error, { fd }) => errors.push({ error, fd }));
    const client = await openClient(await listen(pool, 'rejects', { mode }));
    client.write('x');
    const [close] = await journal.until('close');
    expect(close).toMatchObject({ type: 'error', message: 'rejected later' });
    await until(() => errors.length === 1, 'handlerError');
    expect(errors[0]).toMatchObject({ error: { message: 'rejected later' }, fd: close?.fd });
    await client.over();
  });

  it('that rejects at once is an error of its connection', async () => {
    const { pool, journal } = await openAsyncPool(2);
    const client = await openClient(await listen(pool, 'rejectsAtOnce', { mode }));
    client.write('x');
    await journal.until('close');
    expect(journal.entries).toMatchObject([
      { on: 'error', message: 'rejected at once' },
      { on: 'close', type: 'error', message: 'rejected at once' },
    ]);
    await client.over();
  });

  it('pauses its connection and resumes it', async () => {
    const { pool, journal } = await openAsyncPool(2);
    const client = await openClient(await listen(pool, 'pausing', { mode }));
    for (let i = 1; i <= 5; i++) {
      client.write('more');
      await journal.until('resumed', i);
    }
  });

  it('may not use its handle after it has settled', async () => {
    const { pool, journal } = await openAsyncPool(1);
    const client = await openClient(await listen(pool, 'keeper', { mode }));
    client.write('x');
    await client.line();
    expect(await journal.until('late')).toMatchObject([{ code: 'ERR_WAKEONE_NOT_OWNER', usable: false }]);
  });

  it('of a hundred connections at once all settle, with one thread', async () => {
    const { pool } = await openAsyncPool(1);
    const clients = await openClients(await listen(pool, 'deeds', { mode }), 100);
    clients.forEach((client, i) => client.write(`timer ${i % 20}\npromises ${i}\nimmediates 3\n`));
    await Promise.all(
      clients.map(async (client, i) => {
        expect([await client.line(), await client.line(), await client.line()]).toEqual([
          `timer ${i % 20}`,
          `promises ${i}`,
          'immediates 3',
        ]);
      }),
    );
  });
});
