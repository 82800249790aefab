/**
 * How connections end: FIN with data, half-close, reset in each phase, errors of handlers, destroy, detach, and the order
 * of what a handler is told. Scenarios 82, 83, 84, 100, and of the issue: `end`, `destroy`, `detach`.
 */
import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Pool } from 'wakeone';
import { type Client, openClient } from './client.ts';
import { until, within } from './deadline.ts';
import type { Entry, Journal } from './journal.ts';
import { guardPools, listen, openPool } from './pools.ts';

const MIB = 1024 * 1024;
const MODES = ['edge', 'oneshot'] as const;
const GATE = 3;

guardPools();

const names = (journal: Journal): string[] => journal.entries.map((entry) => entry.on);
const command = (value: object): string => `${JSON.stringify(value)}\n`;

/** Handler calls so far. */
const turns = (pool: Pool): number => pool.stats().workers.reduce((sum, worker) => sum + worker.taken, 0);

/** That no turn of any connection comes for a while: an item that spins would make thousands. */
async function expectSilence(pool: Pool, most: number): Promise<void> {
  const before = turns(pool);
  const from = performance.now();
  await until(() => performance.now() - from > 60, 'some time');
  expect(turns(pool) - before).toBeLessThanOrEqual(most);
}

/** Holds the connection's handler at the gate. */
async function hold(client: Client, journal: Journal): Promise<Entry | undefined> {
  client.write(command({ do: 'hold', gate: GATE }));
  return (await journal.until('holding')).at(-1);
}

describe.each(MODES)('the end of a connection in mode %s', (mode) => {
  it('comes once, after all the data that came before it in one burst', async () => {
    const { pool, journal } = await openPool('scripted');
    const server = await listen(pool, 'scripted', { mode });
    const client = await openClient(server);
    client.socket.end(command({ do: 'say', text: 'one,' }) + command({ do: 'say', text: 'two' }));
    expect((await client.rest()).toString()).toBe('one,two');
    await journal.until('close');
    expect(names(journal)).toEqual(['open', 'data', 'data', 'end', 'close']);
    expect(journal.all('close')).toMatchObject([{ type: 'end' }]);
  });

  it('comes after a megabyte of data that was sent before it', async () => {
    const { pool } = await openPool('streams');
    const client = await openClient(await listen(pool, 'echo', { mode }));
    const sent = randomBytes(MIB);
    client.socket.end(sent);
    const rest = await client.rest();
    expect(createHash('sha256').update(rest).digest('hex')).toBe(
      createHash('sha256').update(sent).digest('hex'),
    );
  });

  it('is told to the handler while input is still unread', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode }));
    client.socket.end('not a whole line');
    expect((await journal.until('end'))[0]).toMatchObject({ unread: 16 });
    await journal.until('close');
    expect((await client.rest()).length).toBe(0);
  });

  it('leaves our side open for ten megabytes after the peer has ended its own', async () => {
    const { pool, journal } = await openPool('streams');
    const client = await openClient(await listen(pool, 'upload', { mode }));
    client.socket.end('request');
    const body = await client.rest();
    expect(body.length).toBe(10 * MIB);
    expect(body.every((byte) => byte === 0x7a)).toBe(true);
    await journal.until('close');
    expect(journal.all('end').length).toBe(1);
    expect(journal.all('close')).toMatchObject([{ type: 'end' }]);
  });

  it('ends our side after the `end` handler, which may be async and write', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'lateEnd', { mode }));
    client.socket.end();
    expect((await client.rest()).toString()).toBe('late');
    await journal.until('close');
  });

  it('does not end our side with allowHalfOpen, until the handler does', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode, allowHalfOpen: true }));
    const { fd, generation } = await client.ask({ do: 'who' });
    client.socket.end();
    await journal.until('end');
    await expectSilence(pool, 2);
    expect(client.ended).toBe(false);
    expect(pool.stats().registered).toBe(2);
    await pool.registration({ fd: Number(fd), generation: Number(generation) }).teardown(1);
    expect((await client.rest()).length).toBe(0);
    expect(journal.all('close')).toMatchObject([{ type: 'teardown', detail: 1 }]);
  });

  it('with our end() first lets the peer go on sending', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode }));
    client.write(command({ do: 'end', text: 'bye' }));
    expect((await client.rest()).toString()).toBe('bye');
    client.write(command({ do: 'count', counter: 7 }).slice(0, 3));
    await journal.until('data', 2);
    expect(journal.all('close')).toEqual([]);
    client.socket.end();
    await journal.until('close');
    expect(names(journal)).toEqual(['open', 'data', 'data', 'end', 'close']);
  });

  it('refuses write() after end()', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode }));
    client.write(command({ do: 'endTwice' }));
    expect((await client.rest()).toString()).toBe('bye');
    expect(journal.all('refused')).toMatchObject([{ code: 'ERR_WAKEONE_ENDED' }]);
  });

  it('sends what is unsent before the FIN of end()', async () => {
    const { pool } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode }));
    client.socket.pause();
    client.write(command({ do: 'send', bytes: 12 * MIB }) + command({ do: 'end' }));
    client.socket.resume();
    expect((await client.rest()).length).toBe(12 * MIB);
  });

  it('after destroy() drops what is unsent and says so', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode }));
    client.socket.pause();
    client.write(command({ do: 'overfill', bytes: 16 * MIB }) + command({ do: 'destroy' }));
    expect(await journal.until('close')).toMatchObject([{ type: 'destroyed' }]);
    client.socket.resume();
    await client.over();
    expect(client.received).toBeLessThan(16 * MIB);
    expect(names(journal).at(-1)).toBe('close');
  });

  it('after destroy(error) goes through the error handler', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode }));
    client.write(command({ do: 'fail' }));
    await journal.until('close');
    expect(journal.entries).toMatchObject([
      { on: 'open' },
      { on: 'data' },
      { on: 'error', message: 'given up' },
      { on: 'close', type: 'error', message: 'given up' },
    ]);
    await client.over();
  });

  it('after teardown() of its own handle carries the detail', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode }));
    client.write(command({ do: 'teardownSelf', detail: 99 }));
    expect(await journal.until('close')).toMatchObject([{ type: 'teardown', detail: 99 }]);
    await client.over();
  });

  it('of a handler that throws goes through `error`, or to the pool if there is none', async () => {
    const { pool, journal } = await openPool('scripted');
    const errors: string[] = [];
    pool.on('handlerError', (error) => errors.push((error as Error).message));
    const first = await openClient(await listen(pool, 'scripted', { mode }));
    first.write(command({ do: 'throw' }));
    await journal.until('close');
    expect(journal.all('error')).toMatchObject([{ message: 'thrown by a handler' }]);
    expect(errors).toEqual([]);
    const second = await openClient(await listen(pool, 'unguarded', { mode }));
    second.write(command({ do: 'throw' }));
    await journal.until('close', 2);
    await until(() => errors.length > 0, 'handlerError');
    expect(errors).toEqual(['thrown by a handler']);
  });

  it('of handlers that throw in open, close and error is still one close each', async () => {
    const { pool, journal } = await openPool('scripted');
    const errors: string[] = [];
    pool.on('handlerError', (error) => errors.push((error as Error).message));
    const inOpen = await openClient(await listen(pool, 'throwsInOpen', { mode }));
    await inOpen.over();
    expect(journal.entries).toMatchObject([
      { on: 'error', message: 'in open' },
      { on: 'close', type: 'error', message: 'in open' },
    ]);
    const inClose = await openClient(await listen(pool, 'throwsInClose', { mode }));
    inClose.socket.end();
    await inClose.over();
    await journal.untilCounted(1, 1);
    const inError = await openClient(await listen(pool, 'throwsInError', { mode }));
    inError.write('x');
    await inError.over();
    const ofString = await openClient(await listen(pool, 'throwsNothing', { mode }));
    ofString.write('x');
    await ofString.over();
    await until(() => errors.length >= 2, 'handlerError');
    expect(errors).toEqual(['in close', 'in error']);
    expect(journal.entries.at(-1)).toMatchObject({ on: 'close', type: 'error', message: 'a string' });
  });

  it('of handlers that throw and return what cannot be looked at costs no worker', async () => {
    const { pool, journal } = await openPool('scripted');
    const errors: string[] = [];
    const died: Error[] = [];
    pool.on('handlerError', (error) => errors.push((error as Error).message));
    pool.on('workerExit', (error) => died.push(error));
    const client = await openClient(await listen(pool, 'throwsStrange', { mode }));
    client.write('x');
    await client.over();
    await until(() => errors.length >= 2, 'handlerError');
    expect(errors).toEqual([expect.stringContaining('cannot be made text'), 'in then']);
    expect(journal.entries).toMatchObject([{ on: 'close', type: 'error' }]);
    expect(died).toEqual([]);
  });

  it('by RST before the first read is one error with its errno, and silence after it', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode }));
    await journal.until('open');
    client.reset();
    await journal.until('close');
    expect(journal.entries).toMatchObject([
      { on: 'open' },
      { on: 'error', code: 'ECONNRESET', syscall: 'read' },
      { on: 'close', type: 'error', code: 'ECONNRESET' },
    ]);
    await expectSilence(pool, 2);
  });

  it('by RST while a handler runs comes after that handler', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode }));
    await hold(client, journal);
    client.reset();
    await until(() => client.socket.destroyed, 'the reset');
    expect(journal.all('error')).toEqual([]);
    journal.set(GATE, 1);
    await journal.until('close');
    expect(names(journal)).toEqual(['open', 'data', 'holding', 'released', 'error', 'close']);
    await expectSilence(pool, 2);
  });

  it('by RST while output is pending is one error, without a drain', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode }));
    client.socket.pause();
    client.write(command({ do: 'fill' }));
    await journal.until('filled');
    client.reset();
    await journal.until('close');
    expect(names(journal)).toEqual(['open', 'data', 'filled', 'error', 'close']);
    expect(['ECONNRESET', 'EPIPE']).toContain(journal.all('error')[0]?.['code']);
    await expectSilence(pool, 2);
  });

  it('by RST after our own end() is one error', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode }));
    client.write(command({ do: 'end', text: 'bye' }));
    await client.rest();
    client.reset();
    await journal.until('close');
    expect(names(journal)).toEqual(['open', 'data', 'error', 'close']);
    await expectSilence(pool, 2);
  });

  it('by RST while it is paused is told, and does not spin', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode }));
    client.write(command({ do: 'pause' }));
    await journal.until('data');
    client.reset();
    await journal.until('close');
    expect(names(journal)).toEqual(['open', 'data', 'error', 'close']);
  });

  it('by FIN while it is paused is heard of once another thread enables it', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted', { mode }));
    client.write(command({ do: 'pause' }));
    const { fd, generation } = (await journal.until('data'))[0] as never;
    client.write(command({ do: 'say', text: 'late' }));
    client.socket.end();
    await expectSilence(pool, 3);
    expect(names(journal)).toEqual(['open', 'data']);
    pool.registration({ fd, generation }).enable();
    await journal.until('close');
    expect(names(journal).filter((name) => name !== 'said')).toEqual([
      'open',
      'data',
      'data',
      'end',
      'close',
    ]);
  });

  it('by FIN while it is paused and our side has ended is quiet until it is torn down', async () => {
    const { pool, journal } = await openPool('scripted');
    const server = await listen(pool, 'scripted', { mode });
    const client = await openClient(server);
    client.write(command({ do: 'pauseAndEnd' }));
    await client.rest();
    client.socket.end();
    // Both sides are shut: the kernel reports a hang-up that nobody can mask, and nobody wants to read.
    await expectSilence(pool, 20);
    await pool.close({ timeoutMs: 2000 });
    expect(journal.all('close').length).toBe(1);
  });

  it('that data, end and RST lead to together is one close', async () => {
    const { pool, journal } = await openPool('scripted');
    const server = await listen(pool, 'scripted', { mode });
    for (let i = 1; i <= 30; i++) {
      const client = await openClient(server);
      client.write(command({ do: 'say', text: 'x'.repeat(100) }));
      if (i % 2 === 0) await client.read(1);
      // Closing over unread input is a reset too.
      client.socket.pause();
      if (i % 3 === 0) await client.close();
      else client.reset();
      await journal.until('close', i);
    }
    expect(journal.all('close').length).toBe(30);
    expect(journal.all('open').length).toBe(30);
    const ids = journal.all('close').map(({ fd, generation }) => `${fd}/${generation}`);
    expect(new Set(ids).size).toBe(30);
  });
});

describe('the handlers of a connection', () => {
  it('are called in the order data, end, close, and the teardown first', async () => {
    const { pool, journal } = await openPool('scripted');
    const client = await openClient(await listen(pool, 'scripted'));
    const held = await hold(client, journal);
    client.socket.end(command({ do: 'say', text: 'unheard' }));
    const torn = pool.registration({ fd: held?.fd ?? -1, generation: held?.generation ?? -1 }).teardown(5);
    journal.set(GATE, 1);
    await within(torn, 'the teardown');
    // What the handler that was running had still to read is its own; nothing runs between it and the close.
    expect(names(journal).slice(0, 4)).toEqual(['open', 'data', 'holding', 'released']);
    expect(names(journal).at(-1)).toBe('close');
    expect(journal.all('end')).toEqual([]);
    expect(journal.all('close')).toMatchObject([{ type: 'teardown', detail: 5 }]);
    await client.over();
  });
});
