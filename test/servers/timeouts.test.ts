/**
 * Timeouts of connections and descriptors, on real threads and sockets. Scenarios 51 (an idle timeout against data: one of
 * them), 52 (pushed ahead in time), 92 (slowloris and slow read: the connection ends, what it costs is bounded, others are
 * served).
 */
import { describe, expect, it } from 'vitest';
import { openNative } from '../../src/native/index.ts';
import { Random } from '../scenarios/support/random.ts';
import { type Client, openClient, openClients } from './client.ts';
import { until, within } from './deadline.ts';
import { guardPools, listen, openPool, STRESS } from './pools.ts';

guardPools();

const TIMEOUTS = 1;
const GATE = 2;
const EARLY = 3;
const DATA = 4;
const LONGEST = 2 ** 30;
const now = (): number => Number(process.hrtime.bigint()) / 1e6;
const refused = (code: string): Error => expect.objectContaining({ code }) as Error;
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Time that passes, as far as the test is concerned. */
async function pass(ms: number): Promise<void> {
  const from = performance.now();
  await until(() => performance.now() - from >= ms, 'some time');
}

describe.each([1, 3])('in a pool of %i threads', (minThreads) => {
  it('a silent connection ends with its idle timeout, not before', async () => {
    const { pool, journal } = await openPool('timeouts', { minThreads });
    const server = await listen(pool, 'plain', { idleTimeoutMs: 80 });
    const from = now();
    const client = await openClient(server);
    expect(await client.over()).toBe('end');
    const [close] = await journal.until('close');
    expect(close).toMatchObject({ type: 'timeout', kind: 'idle' });
    expect(Number(close?.['at']) - from).toBeGreaterThanOrEqual(80);
  });

  it('each message pushes the idle timeout ahead', async () => {
    const { pool, journal } = await openPool('timeouts', { minThreads });
    const client = await openClient(await listen(pool, 'plain', { idleTimeoutMs: 150 }));
    let last = 0;
    for (let round = 0; round < 12; round++) {
      last = now();
      client.write(`${round}\n`);
      expect(await client.line()).toBe(`${round}`);
      await pass(30);
    }
    const [close] = await journal.until('close');
    expect(close).toMatchObject({ type: 'timeout', kind: 'idle' });
    expect(Number(close?.['at']) - last).toBeGreaterThanOrEqual(150);
  });
});

describe('a timeout handler', () => {
  it('that leaves the connection open is called again after another period', async () => {
    const { pool, journal } = await openPool('timeouts');
    const from = now();
    const client = await openClient(await listen(pool, 'goesOn', { idleTimeoutMs: 30 }));
    for (let n = 1; n <= 3; n++) expect(await client.line()).toBe('idle');
    const times = (await journal.until('timeout', 3)).map(({ at }) => Number(at));
    for (const [n, at] of times.entries()) expect(at - from).toBeGreaterThanOrEqual(30 * (n + 1));
    client.write('still here\n');
    let line = '';
    while (line !== 'still here') line = await client.line();
  });

  it('may be async, and end the connection with an answer', async () => {
    const { pool, journal } = await openPool('timeouts');
    const client = await openClient(await listen(pool, 'endsLater', { idleTimeoutMs: 20 }));
    expect((await client.rest()).toString()).toBe('too late\n');
    await client.close();
    expect(await journal.until('close')).toEqual([expect.objectContaining({ type: 'end' })]);
    expect(journal.all('timeout').length).toBe(1);
  });

  it('that throws ends the connection', async () => {
    const { pool, journal } = await openPool('timeouts');
    pool.on('handlerError', () => {});
    const client = await openClient(await listen(pool, 'throws', { idleTimeoutMs: 20 }));
    await client.over();
    expect(await journal.until('close')).toEqual([
      expect.objectContaining({ type: 'error', message: 'after idle' }),
    ]);
  });

  it('does not run beside the data handler, nor for the time that this one took', async () => {
    const { pool, journal } = await openPool('timeouts', { minThreads: 3 });
    const client = await openClient(await listen(pool, 'slow', { idleTimeoutMs: 40 }));
    client.write('x');
    await journal.until('begins');
    await pass(150);
    expect(journal.all('timeout')).toEqual([]);
    journal.set(GATE, 1);
    const [timeout] = await journal.until('timeout');
    const [ends] = journal.all('ends');
    expect(Number(timeout?.['at']) - Number(ends?.['at'])).toBeGreaterThanOrEqual(40);
  });

  it('is not called while the connection is disabled, but when it is enabled', async () => {
    const { pool, journal } = await openPool('timeouts');
    await openClient(await listen(pool, 'goesOn', { idleTimeoutMs: 60 }));
    const [opened] = await journal.until('open');
    const registration = pool.registration({
      fd: opened?.['fd'] as number,
      generation: opened?.['generation'] as number,
    });
    registration.disable();
    const before = journal.counted(TIMEOUTS);
    await pass(200);
    // One that ran already, or was claimed before the disable.
    expect(journal.counted(TIMEOUTS) - before).toBeLessThanOrEqual(1);
    const silent = journal.counted(TIMEOUTS);
    registration.enable();
    await journal.untilCounted(TIMEOUTS, silent + 1);
  });
});

it('an idle timeout and data that come at the same time: one of them, and each timeout a whole silence (51)', async () => {
  const idleMs = 12;
  const random = new Random();
  const moments = new SharedArrayBuffer(1024 * 16);
  const { pool, journal } = await openPool('timeouts', { minThreads: 3, workerData: { moments, idleMs } });
  const server = await listen(pool, 'races', { idleTimeoutMs: idleMs });
  const clients = await openClients(server, 20);
  const rounds = STRESS ? 2000 : 60;
  const run = async (client: Client): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      client.write('.');
      await client.read(1);
      const pausedUntil = performance.now() + idleMs + random.below(200) / 10 - 5;
      while (performance.now() < pausedUntil) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  await Promise.all(clients.map(run));
  expect(journal.counted(DATA)).toBe(20 * rounds);
  expect(journal.counted(TIMEOUTS)).toBeGreaterThan(rounds);
  expect(journal.counted(EARLY)).toBe(0);
});

describe('a client that sends too slowly (92)', () => {
  it('ends by the read timeout, though each byte pushes the idle timeout ahead; others are served', async () => {
    const { pool, journal } = await openPool('timeouts', { bufferMemory: 2 ** 20 });
    const server = await listen(pool, 'plain', { readTimeoutMs: 300, idleTimeoutMs: 250 });
    const from = now();
    const slow = await openClients(server, 40);
    const honest = await openClient(server);
    const took: number[] = [];
    let over = 0;
    for (const client of slow) void client.over().then(() => over++);
    while (over < slow.length) {
      for (const client of slow) if (!client.ended && client.failure === undefined) client.write('.');
      const asked = performance.now();
      honest.write('hello\n');
      expect(await honest.line()).toBe('hello');
      took.push(performance.now() - asked);
      await pass(10);
      expect(now() - from).toBeLessThan(20_000);
    }
    const closes = await journal.until('close', slow.length);
    for (const close of closes) {
      expect(close).toMatchObject({ type: 'timeout', kind: 'read' });
      expect(Number(close['at']) - from).toBeGreaterThanOrEqual(300);
    }
    expect(closes.length).toBe(slow.length);
    expect(median(took)).toBeLessThan(50);
  });

  it('or nothing at all ends by it as well, and one that waits between two messages does not', async () => {
    const { pool, journal } = await openPool('timeouts');
    const server = await listen(pool, 'plain', { readTimeoutMs: 60 });
    const patient = await openClient(server);
    patient.write('whole\n');
    expect(await patient.line()).toBe('whole');
    const from = now();
    await openClient(server);
    const [close] = await journal.until('close');
    expect(close).toMatchObject({ kind: 'read' });
    expect(Number(close?.['at']) - from).toBeGreaterThanOrEqual(60);
    await pass(100);
    patient.write('again\n');
    expect(await patient.line()).toBe('again');
    expect(journal.all('close').length).toBe(1);
  });

  it('is told by the handler of it, each time anew', async () => {
    const { pool } = await openPool('timeouts');
    const client = await openClient(await listen(pool, 'goesOn', { readTimeoutMs: 40 }));
    client.write('part');
    expect(await client.line()).toBe('read');
    expect(await client.line()).toBe('read');
    client.write(' whole\n');
    let line = '';
    while (line === '' || line === 'read') line = await client.line();
    expect(line).toBe('part whole');
  });
});

it('a client that reads too slowly ends by the write timeout; what it costs is bounded, others are served (92)', async () => {
  const { pool, journal } = await openPool('timeouts', { bufferMemory: 2 ** 24 });
  const floods = await listen(pool, 'floods', { writeTimeoutMs: 200 });
  const echo = await listen(pool, 'plain');
  const honest = await openClient(echo);
  const from = now();
  const slow = await openClients(floods, 20);
  for (const client of slow) client.socket.pause();
  const flooded = await journal.until('flooded', slow.length);
  // The high-water mark, and the write that reached it.
  for (const { waiting } of flooded) expect(waiting).toBeLessThanOrEqual(2 * 65_536);
  const took: number[] = [];
  while (journal.all('close').length < slow.length) {
    const asked = performance.now();
    honest.write('hello\n');
    expect(await honest.line()).toBe('hello');
    took.push(performance.now() - asked);
    await pass(5);
    expect(now() - from).toBeLessThan(20_000);
  }
  for (const close of journal.all('close')) {
    expect(close).toMatchObject({ type: 'timeout', kind: 'write' });
    expect(Number(close['at']) - from).toBeGreaterThanOrEqual(200);
  }
  expect(median(took)).toBeLessThan(50);
});

it('a client that reads all the time is not ended by the write timeout', async () => {
  const { pool, journal } = await openPool('timeouts');
  const client = await openClient(await listen(pool, 'floods', { writeTimeoutMs: 250 }));
  const from = performance.now();
  let received = 0;
  while (performance.now() - from < 600) {
    await until(() => client.received > received, 'more');
    received = client.received;
  }
  expect(journal.all('close')).toEqual([]);
  await client.close();
});

describe('a deadline', () => {
  it('comes whatever the client sends', async () => {
    const { pool, journal } = await openPool('timeouts');
    const from = now();
    const client = await openClient(await listen(pool, 'plain', { deadlineMs: 120 }));
    const busy = async (): Promise<void> => {
      while (!client.ended && !client.closed && client.failure === undefined) {
        client.write('x\n');
        await pass(2);
      }
    };
    await within(busy(), 'the end');
    const [close] = await journal.until('close');
    expect(close).toMatchObject({ type: 'timeout', kind: 'deadline' });
    expect(Number(close?.['at']) - from).toBeGreaterThanOrEqual(120);
  });

  it('is set, moved and lifted by handlers', async () => {
    const { pool, journal } = await openPool('timeouts');
    const client = await openClient(await listen(pool, 'sets'));
    client.write('20');
    await client.line();
    client.write('none');
    await client.line();
    await pass(80);
    const early = journal.counted(TIMEOUTS);
    client.write(String(LONGEST));
    await client.line();
    client.write('30');
    const from = Number(await client.line());
    await journal.untilCounted(TIMEOUTS, early + 1);
    const last = journal.all('timeout').at(-1);
    expect(last).toMatchObject({ kind: 'deadline' });
    // `from` was taken after the deadline was set: a millisecond may lie between.
    expect(Number(last?.['at']) - from).toBeGreaterThanOrEqual(25);
    await pass(60);
    expect(journal.counted(TIMEOUTS)).toBe(early + 1);
  });
});

describe('an idle timeout that handlers set', () => {
  it('begins then, is pushed ahead, and ends the connection', async () => {
    const { pool, journal } = await openPool('timeouts');
    const client = await openClient(await listen(pool, 'idles'));
    client.write('150');
    await client.line();
    await pass(60);
    client.write('100');
    const from = Number(await client.line());
    const [close] = await journal.until('close');
    expect(close).toMatchObject({ type: 'timeout', kind: 'idle' });
    expect(Number(close?.['at']) - from).toBeGreaterThanOrEqual(95);
  });

  it.each([{}, { idleTimeoutMs: 60 }])('is longer than the one before, or lifts it: %o', async (options) => {
    const { pool, journal } = await openPool('timeouts');
    const server = await listen(pool, 'idles', options);
    const [lifted, longer] = [await openClient(server), await openClient(server)];
    lifted.write('none');
    longer.write('200');
    await lifted.line();
    const from = Number(await longer.line());
    const [close] = await journal.until('close');
    expect(close).toMatchObject({ type: 'timeout', kind: 'idle' });
    expect(Number(close?.['at']) - from).toBeGreaterThanOrEqual(195);
    await pass(100);
    expect(lifted.closed || lifted.ended).toBe(false);
    lifted.write('10');
    await journal.until('close', 2);
  });
});

describe('a bare descriptor', () => {
  it('is told of its timeouts, and ends only if its handler says so', async () => {
    const { pool, journal } = await openPool('timeouts');
    const native = openNative();
    const fd = native.eventfd();
    const from = now();
    const registration = pool.add(fd, {
      handler: 'raw',
      ownership: 'own',
      idleTimeoutMs: 40,
      deadlineMs: 300,
    });
    await journal.until('raw', 2);
    native.signal(fd);
    await within(registration.ended(), 'the end');
    const all = journal.all('raw');
    const idle = all.filter(({ timeout }) => timeout === 'idle');
    expect(idle.length).toBeGreaterThanOrEqual(2);
    for (const [n, { at }] of idle.entries()) expect(Number(at) - from).toBeGreaterThanOrEqual(40 * (n + 1));
    // A readiness that comes during a turn of the idle time may be delivered twice; the second finds nothing.
    expect(all.filter(({ got }) => got === 8).length).toBe(1);
    const deadline = all.find(({ timeout }) => timeout === 'deadline');
    expect(Number(deadline?.['at']) - from).toBeGreaterThanOrEqual(300);
    expect(all.at(-1)).toMatchObject({ last: true, reason: { type: 'teardown', detail: 9 } });
  });

  it('gets a deadline from its handler', async () => {
    const { pool, journal } = await openPool('timeouts', { minThreads: 1 });
    const fd = openNative().eventfd();
    const registration = pool.add(fd, { handler: 'raw', ownership: 'own' });
    registration.trigger(7);
    await journal.until('raw');
    registration.trigger(8);
    await journal.until('raw', 2);
    await pass(60);
    const early = journal.all('raw').filter(({ timeout }) => timeout !== undefined).length;
    if (early === 0) registration.trigger(7);
    await within(registration.ended(), 'the end');
    expect(journal.all('raw').at(-1)).toMatchObject({ last: true });
  });

  it('that is delivered by hand is silent until then', async () => {
    const { pool, journal } = await openPool('timeouts');
    const fd = openNative().eventfd();
    const registration = pool.add(fd, {
      handler: 'raw',
      ownership: 'own',
      rearm: 'manual',
      idleTimeoutMs: 20,
    });
    await journal.until('raw');
    await pass(100);
    expect(journal.all('raw').length).toBe(1);
    registration.enable();
    await journal.until('raw', 2);
    await registration.teardown();
    expect(journal.all('raw').map(({ timeout }) => timeout)).toEqual(['idle', 'idle', undefined]);
  });
});

it('timeouts that are none are refused with typed errors (53)', async () => {
  const { pool } = await openPool('timeouts');
  const fd = openNative().eventfd();
  const none = [0, -1, 1.5, LONGEST + 1, 2 ** 53, Infinity, Number.NaN, '5', null];
  for (const name of ['idleTimeoutMs', 'readTimeoutMs', 'writeTimeoutMs', 'deadlineMs']) {
    for (const value of none) {
      await expect(listen(pool, 'plain', { [name]: value })).rejects.toThrow(
        refused('ERR_WAKEONE_INVALID_OPTION'),
      );
      expect(() => pool.add(fd, { handler: 'plain', [name]: value })).toThrow(
        refused('ERR_WAKEONE_INVALID_OPTION'),
      );
    }
  }
  for (const name of ['readTimeoutMs', 'writeTimeoutMs'])
    expect(() => pool.add(fd, { handler: 'raw', [name]: 5 })).toThrow(refused('ERR_WAKEONE_INVALID_OPTION'));
  expect(pool.stats().registered).toBe(0);
  openNative().close(fd);
  expect(await errorsOfDeadlines(pool)).toEqual([
    'ERR_WAKEONE_INVALID_ARGUMENT',
    'ERR_WAKEONE_INVALID_ARGUMENT',
  ]);
});

/** What a handler is told that sets deadlines which are none. */
async function errorsOfDeadlines(pool: Awaited<ReturnType<typeof openPool>>['pool']): Promise<unknown[]> {
  const codes: unknown[] = [];
  pool.on('handlerError', (error) => codes.push((error as { code?: unknown }).code));
  const server = await listen(pool, 'sets');
  for (const text of ['0', '1.5']) {
    const client = await openClient(server);
    client.write(text);
    await client.over();
  }
  await until(() => codes.length === 2, 'two reports');
  return codes;
}
