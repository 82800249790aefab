/**
 * connect(), on real sockets: success, refusal, silence of the other side; from the main thread and from handlers. Scenario
 * 86 (spurious writability: test/sources/connect.test.ts).
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openNative } from '../../src/native/index.ts';
import { openClient } from './client.ts';
import { until } from './deadline.ts';
import { afterTest, guardPools, listen, openPool } from './pools.ts';

guardPools();

const HOST = '127.0.0.1';
const refused = (code: string): Error => expect.objectContaining({ code }) as Error;

/** A server of node's that echoes; closed after the test. */
async function echo(where: { path: string } | { port: number; host: string }): Promise<NetServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).pipe(socket);
  }).listen(where);
  await once(server, 'listening');
  afterTest(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return server;
}

const portOf = (server: NetServer): number => (server.address() as { port: number }).port;

/** A port where nobody listens. */
async function nobody(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const port = portOf(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A port whose backlog is full: whoever connects is not answered. */
function deaf(): { port: number; answer: () => void } {
  const native = openNative();
  const fd = native.socketStream('IPv4');
  native.bind(fd, { family: 'IPv4', address: HOST, port: 0 });
  native.listen(fd, 0);
  const address = native.localAddress(fd);
  if (typeof address === 'number' || address.family === 'unix') throw new Error('no address');
  const first = native.socketStream('IPv4');
  native.connect(first, address);
  const open = [fd, first];
  afterTest(() => open.forEach((each) => native.close(each)));
  return { port: address.port, answer: () => void open.push(native.accept(fd)) };
}

describe.each(['edge', 'oneshot'] as const)('pool.connect() in mode %s', (mode) => {
  it('opens the connection when it is there, and serves it (86)', async () => {
    const { pool, journal } = await openPool('connects');
    const port = portOf(await echo({ port: 0, host: HOST }));
    const registration = await pool.connect({ port, host: 'localhost', handler: 'client', mode, cookie: 7 });
    expect(await journal.until('data')).toMatchObject([{ text: 'hello' }]);
    const remote = { family: 'IPv4', address: HOST, port };
    expect(journal.all('open')).toMatchObject([{ cookie: 7, remote }]);
    expect(registration.active).toBe(true);
    await registration.teardown();
    expect(journal.entries.map(({ on }) => on)).toEqual(['open', 'data', 'close']);
  });

  it('tells a refusal to `error`, then `close` (86)', async () => {
    const { pool, journal } = await openPool('connects');
    const registration = await pool.connect({ port: await nobody(), handler: 'client', mode });
    await registration.ended();
    expect(journal.entries).toMatchObject([
      { on: 'error', code: 'ECONNREFUSED', syscall: 'connect' },
      { on: 'close', type: 'error' },
    ]);
  });

  it('gives up after timeoutMs, and not before (86)', async () => {
    const { pool, journal } = await openPool('connects');
    const begun = performance.now();
    const { port } = deaf();
    const registration = await pool.connect({ port, handler: 'client', mode, timeoutMs: 200 });
    await registration.ended();
    expect(performance.now() - begun).toBeGreaterThanOrEqual(199);
    expect(journal.entries).toMatchObject([
      { on: 'error', code: 'ETIMEDOUT', syscall: 'connect' },
      { on: 'close', type: 'error' },
    ]);
  });
});

describe('a connection that is not there yet', () => {
  it('opens as soon as the other side answers, and then delivers what was triggered', async () => {
    const { pool, journal } = await openPool('connects');
    const { port, answer } = deaf();
    const registration = await pool.connect({ port, handler: 'client' });
    registration.trigger(5);
    answer();
    expect(await journal.until('trigger')).toMatchObject([{ bits: 5 }]);
    expect(journal.entries.map(({ on }) => on)).toEqual(['open', 'trigger']);
  });

  it('can be torn down: `close` alone is called', async () => {
    const { pool, journal } = await openPool('connects');
    const { port } = deaf();
    const registration = await pool.connect({ port, handler: 'client' });
    await registration.teardown(3);
    expect(journal.entries).toMatchObject([{ on: 'close', type: 'teardown' }]);
  });

  it('does not hold up the end of the pool', async () => {
    const { pool, journal } = await openPool('connects');
    const { port } = deaf();
    await pool.connect({ port, handler: 'silent' });
    await pool.close();
    expect(journal.entries).toMatchObject([{ on: 'close', type: 'pool-closed' }]);
  });

  it('has its time limit also if the worker that began it dies', async () => {
    const { pool, journal } = await openPool('connects', { minThreads: 1 });
    pool.on('workerExit', () => {});
    const server = await listen(pool, 'caller');
    const { port } = deaf();
    const client = await openClient(server);
    client.write(JSON.stringify({ port, timeoutMs: 400 }));
    await journal.until('connecting');
    client.write('{"port": 1, "handler": "dies"}');
    expect(await journal.until('error')).toMatchObject([{ code: 'ETIMEDOUT' }]);
    await journal.until('close');
  });
});

describe('a path', () => {
  it('is connected to, or the failure told', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'wakeone-connect-'));
    afterTest(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'socket');
    const { pool, journal } = await openPool('connects');
    const lost = await pool.connect({ path, handler: 'client' });
    await lost.ended();
    expect(journal.all('error')).toMatchObject([{ code: 'ENOENT', syscall: 'connect' }]);
    await echo({ path });
    await pool.connect({ path, handler: 'client' });
    expect(await journal.until('data')).toMatchObject([{ text: 'hello' }]);
  });
});

describe('connect() in a handler', () => {
  it('makes connections that the pool serves, with failures told to their own handlers', async () => {
    const { pool, journal } = await openPool('connects');
    const server = await listen(pool, 'caller');
    const port = portOf(await echo({ port: 0, host: HOST }));
    const client = await openClient(server);
    client.write(JSON.stringify({ port, cookie: 3 }));
    expect(await journal.until('data')).toMatchObject([{ text: 'hello' }]);
    client.write(JSON.stringify({ port: await nobody() }));
    expect(await journal.until('error')).toMatchObject([{ code: 'ECONNREFUSED' }]);
    expect(journal.all('thrown')).toEqual([]);
  });

  it.each([
    [{ port: 80, host: 'localhost' }, 'ERR_WAKEONE_INVALID_OPTION', /IP address in a worker/],
    [{ port: 80, handler: 'nobody' }, 'ERR_WAKEONE_UNKNOWN_HANDLER', /nobody/],
    [{ port: 0 }, 'ERR_WAKEONE_INVALID_OPTION', /port/],
  ])('%j is refused', async (options, code, message) => {
    const { pool, journal } = await openPool('connects');
    const client = await openClient(await listen(pool, 'caller'));
    client.write(JSON.stringify(options));
    const [thrown] = await journal.until('thrown');
    expect(thrown).toMatchObject({ code });
    expect(thrown?.['message']).toMatch(message);
  });
});

describe('what is wrong is refused, and nothing is left open', () => {
  it.each([
    [{}, 'ERR_WAKEONE_INVALID_OPTION'],
    [{ port: 80, path: '/x' }, 'ERR_WAKEONE_INVALID_OPTION'],
    [{ port: 65_536 }, 'ERR_WAKEONE_INVALID_OPTION'],
    [{ path: `/tmp/${'x'.repeat(103)}` }, 'ERR_WAKEONE_INVALID_OPTION'],
    [{ port: 80, host: '' }, 'ERR_WAKEONE_INVALID_OPTION'],
    [{ port: 80, timeoutMs: 0 }, 'ERR_WAKEONE_INVALID_OPTION'],
    [{ port: 80, timeoutMs: 2 ** 30 }, 'ERR_WAKEONE_INVALID_OPTION'],
    [{ port: 80, mode: 'level' }, 'ERR_WAKEONE_INVALID_OPTION'],
    [{ port: 80, cookie: -1 }, 'ERR_WAKEONE_INVALID_OPTION'],
    [{ port: 80, timeout: 5 }, 'ERR_WAKEONE_INVALID_OPTION'],
    [{ port: 80, handler: 'no' }, 'ERR_WAKEONE_UNKNOWN_HANDLER'],
    [{ port: 80, host: 'no.such.host.invalid' }, 'ENOTFOUND'],
  ])('%j', async (options, code) => {
    const { pool } = await openPool('connects');
    const unknown = options as { port: number };
    const result = pool.connect({ handler: 'client', ...unknown });
    if (code === 'ENOTFOUND') await expect(result).rejects.toThrow(/ENOTFOUND|EAI_AGAIN/);
    else await expect(result).rejects.toThrow(refused(code));
    expect(pool.stats().registered).toBe(0);
  });

  it('also a function, and any after close()', async () => {
    const { pool } = await openPool('posts');
    await expect(pool.connect({ port: 80, handler: 'tally' })).rejects.toThrow(
      refused('ERR_WAKEONE_HANDLER_KIND'),
    );
    await pool.close();
    await expect(pool.connect({ port: 80, handler: 'connection' })).rejects.toThrow(
      refused('ERR_WAKEONE_POOL_CLOSED'),
    );
  });
});

it('2,000 connections at once all open, and all end', async () => {
  const { pool, journal } = await openPool('connects');
  const port = portOf(await echo({ port: 0, host: HOST }));
  const all = await Promise.all(
    Array.from({ length: 2000 }, () => pool.connect({ port, handler: 'client', timeoutMs: 60_000 })),
  );
  await until(() => journal.all('data').length === 2000, 'all answers', 30_000);
  await Promise.all(all.map((each) => each.teardown()));
  expect(pool.stats().registered).toBe(0);
});
