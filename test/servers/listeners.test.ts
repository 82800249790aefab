/**
 * Listening and accepting: bursts, connections that are gone before they are accepted, limits, addresses of all families.
 * Scenarios 79, 81, 101 (through teardown), 103, and of the issue: `maxConnections`, AF_UNIX, IPv6, EADDRINUSE.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { openClient, openClients, portOf } from './client.ts';
import { until, within } from './deadline.ts';
import { afterTest, guardPools, listen, openPool } from './pools.ts';

const run = promisify(execFile);
const MODES = ['edge', 'oneshot'] as const;
const OPENED = 1;
const CLOSED = 2;
const GATE = 3;
const TWICE = 4;
const WAITING = 5;
const BYTES = 6;

guardPools();

function socketPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'wakeone-socket-'));
  afterTest(() => rmSync(folder, { recursive: true }));
  return join(folder, 'socket');
}

describe.each(MODES)('a listener in mode %s', (mode) => {
  it('accepts a burst as large as its backlog while all workers are blocked, and misses none', async () => {
    const { pool, journal } = await openPool('accepts');
    const blocked = await listen(pool, 'gated', { mode });
    const server = await listen(pool, 'counted', { mode, backlog: 200 });
    await openClients(blocked, 2);
    await journal.untilCounted(WAITING, 1);
    const clients = await openClients(server, 200);
    for (const client of clients) client.write('hello');
    journal.set(GATE, 1);
    for (const client of clients) expect((await client.read(5)).toString()).toBe('hello');
    expect(journal.counted(OPENED)).toBe(202);
    expect(server.connections).toBe(200);
    // No herd: a connection is accepted and answered by the worker that has the listener.
    const { workers } = pool.stats();
    expect(workers.reduce((sum, worker) => sum + worker.accepted, 0)).toBe(202);
    expect(workers.reduce((sum, worker) => sum + worker.wakes, 0)).toBeLessThan(202);
  });

  it('answers data that came before the connection was accepted, without a further packet', async () => {
    const { pool, journal } = await openPool('accepts', { minThreads: 1 });
    const blocked = await listen(pool, 'gated', { mode });
    const server = await listen(pool, 'byte', { mode });
    await openClient(blocked);
    await journal.untilCounted(WAITING, 1);
    const clients = await openClients(server, 40);
    for (const client of clients) client.socket.end('x');
    journal.set(GATE, 1);
    for (const client of clients) expect((await client.rest()).toString()).toBe('x');
  });

  it('survives connections that were reset before they were accepted', async () => {
    const { pool, journal } = await openPool('accepts', { minThreads: 1 });
    const blocked = await listen(pool, 'gated', { mode });
    const server = await listen(pool, 'counted', { mode });
    await openClient(blocked);
    await journal.untilCounted(WAITING, 1);
    const clients = await openClients(server, 20);
    for (const [i, client] of clients.entries()) {
      client.write('unheard');
      if (i % 2 === 0) client.reset();
    }
    await until(() => clients.every((client, i) => i % 2 === 1 || client.socket.destroyed), 'the resets');
    journal.set(GATE, 1);
    for (const [i, client] of clients.entries())
      if (i % 2 === 1) expect((await client.read(7)).toString()).toBe('unheard');
    await until(() => server.connections === 10, 'the end of those that were reset');
    expect(journal.counted(TWICE)).toBe(0);
  });

  it('greets and refuses in the open handler', async () => {
    const { pool, journal } = await openPool('accepts');
    const greeting = await listen(pool, 'greets', { mode });
    for (const client of await openClients(greeting, 20)) {
      expect((await client.rest()).toString()).toBe('hello\n');
      client.socket.end();
    }
    const refusing = await listen(pool, 'refuses', { mode });
    for (const client of await openClients(refusing, 20)) await client.over();
    await journal.untilCounted(CLOSED, 40);
    expect(journal.all('close').map((entry) => entry['type'])).toEqual(Array(20).fill('destroyed'));
  });

  it('keeps at most maxConnections open; the next one is served when one has ended', async () => {
    const { pool, journal } = await openPool('accepts');
    const server = await listen(pool, 'counted', { mode, maxConnections: 3 });
    const clients = await openClients(server, 12);
    for (const client of clients) client.write('x');
    for (let served = 0; served < 12; served++) {
      await until(() => clients.some((client) => client.received === 1), 'a connection that is served');
      expect(server.connections).toBeLessThanOrEqual(3);
      const ready = clients.findIndex((client) => client.received === 1);
      const [client] = clients.splice(ready, 1);
      await client?.close();
    }
    await journal.untilCounted(CLOSED, 12);
    expect(journal.counted(TWICE)).toBe(0);
    await until(() => server.connections === 0, 'no connection');
  });

  it('goes on with its connections when it is closed, also by a handler that accepts', async () => {
    const { pool, journal } = await openPool('accepts');
    const server = await listen(pool, 'gated', { mode });
    const first = await openClient(server);
    await journal.untilCounted(WAITING, 1);
    const waiting = await openClient(server);
    const closed = server.close();
    expect(server.close()).toBe(closed);
    journal.set(GATE, 1);
    await within(closed, 'the close of the server');
    first.write('still here');
    expect((await first.read(10)).toString()).toBe('still here');
    await expect(openClient(portOf(server))).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(server.registration.active).toBe(false);
    expect(server.connections).toBe(0);
    // It was accepted before the end or has been reset with the backlog.
    waiting.write('hello');
    const outcome = await Promise.race([waiting.read(5).then(String, () => 'reset'), waiting.over()]);
    expect(['hello', 'ECONNRESET', 'EPIPE', 'reset']).toContain(outcome);
  });

  it('is torn down once by many at the same time', async () => {
    const { pool } = await openPool('accepts');
    const server = await listen(pool, 'counted', { mode });
    await within(
      Promise.all([
        server.registration.teardown(),
        server.close(),
        pool.registration(server.registration.id).teardown(3),
        server.close(),
      ]),
      'the ends',
    );
    await until(() => pool.stats().registered === 0, 'no registration');
  });

  it('serves AF_UNIX connections, and removes its path', async () => {
    const { pool, journal } = await openPool('scripted');
    const path = socketPath();
    const server = await listen(pool, 'scripted', { mode, path });
    expect(server.address()).toEqual({ family: 'unix', path });
    const client = await openClient(server);
    expect(await client.ask({ do: 'addresses' })).toEqual({
      local: { family: 'unix', path },
      remote: { family: 'unix', path: '' },
    });
    expect(await client.ask({ do: 'options' })).toEqual({ same: true });
    client.socket.end();
    await journal.until('close');
    await server.close();
    expect(existsSync(path)).toBe(false);
  });

  it('reads on when an AF_UNIX peer has sent a descriptor in the middle', async () => {
    const { pool, journal } = await openPool('accepts', { minThreads: 1 });
    const path = socketPath();
    await listen(pool, 'silent', { mode, path });
    await openClient(await listen(pool, 'gated', { mode }));
    await journal.untilCounted(WAITING, 1);
    const peer = spawn('python3', ['-u', '-c', DESCRIPTOR_SENDER, path]);
    const ended = once(peer, 'close');
    const [sent] = (await within(once(peer.stdout, 'data'), 'the messages')) as [Buffer];
    expect(sent.toString()).toContain('sent');
    // All of it is there before the first read.
    journal.set(GATE, 1);
    await journal.untilCounted(BYTES, 10 * 17);
    peer.stdin.end();
    await within(ended, 'the end of the peer');
    expect(journal.counted(BYTES)).toBe(10 * 17);
  });

  it('is quiet about a paused AF_UNIX connection whose peer is gone', async () => {
    const { pool, journal } = await openPool('scripted');
    const server = await listen(pool, 'scripted', { mode, path: socketPath() });
    const client = await openClient(server);
    client.write('{"do":"pause"}\n');
    await journal.until('data');
    await client.close();
    const taken = (): number => pool.stats().workers.reduce((sum, worker) => sum + worker.taken, 0);
    const before = taken();
    const from = performance.now();
    await until(() => performance.now() - from > 60, 'some time');
    expect(taken() - before).toBeLessThan(20);
  });

  it('serves IPv6 connections', async () => {
    const { pool } = await openPool('scripted');
    const server = await pool.listen({ port: 0, host: '::1', handler: 'scripted', mode });
    const client = await openClient(server);
    expect(await client.ask({ do: 'addresses' })).toEqual({
      local: { family: 'IPv6', address: '::1', port: portOf(server) },
      remote: { family: 'IPv6', address: '::1', port: client.socket.localPort },
    });
  });

  it('serves IPv4 connections on the address of all families', async () => {
    const { pool } = await openPool('scripted');
    const server = await pool.listen({ port: 0, handler: 'scripted', mode });
    const client = await openClient(portOf(server));
    const { remote } = await client.ask({ do: 'addresses' });
    expect(['127.0.0.1', '::ffff:127.0.0.1']).toContain((remote as { address: string }).address);
  });

  it('tells both addresses of a connection, and sets its options', async () => {
    const { pool } = await openPool('scripted');
    const server = await listen(pool, 'scripted', { mode });
    const client = await openClient(server);
    expect(await client.ask({ do: 'addresses' })).toEqual({
      local: { family: 'IPv4', address: '127.0.0.1', port: portOf(server) },
      remote: { family: 'IPv4', address: '127.0.0.1', port: client.socket.localPort },
    });
    const timers = async (): Promise<string> => {
      const { stdout } = await run('ss', ['-Htno', `sport = :${portOf(server)}`]);
      return stdout;
    };
    expect(await timers()).not.toContain('keepalive');
    expect(await client.ask({ do: 'options' })).toEqual({ same: true });
    // While the answer is not acknowledged, another timer is shown.
    const deadline = performance.now() + 5000;
    while (!(await timers()).includes('keepalive') && performance.now() < deadline);
    expect(await timers()).toMatch(/timer:\(keepalive,1min1\dsec/);
  });
});

describe('listen()', () => {
  it('rejects with EADDRINUSE when the port is taken, and leaves nothing open', async () => {
    const { pool } = await openPool('scripted');
    const server = await listen(pool, 'scripted');
    const port = portOf(server);
    await expect(pool.listen({ port, host: '127.0.0.1', handler: 'scripted' })).rejects.toMatchObject({
      name: 'SystemError',
      code: 'EADDRINUSE',
      syscall: 'bind',
      errno: -98,
    });
    expect(pool.stats().registered).toBe(1);
    await server.close();
    // The port is free at once for the next one.
    const again = await pool.listen({ port, host: '127.0.0.1', handler: 'scripted' });
    expect(portOf(again)).toBe(port);
  });

  it('removes its path once, also if another server has it at the end of the pool', async () => {
    const path = socketPath();
    const { pool: first } = await openPool('scripted');
    await (await listen(first, 'scripted', { path })).close();
    const { pool } = await openPool('scripted');
    const server = await listen(pool, 'scripted', { path });
    await first.close();
    expect(existsSync(path)).toBe(true);
    await server.close();
    expect(existsSync(path)).toBe(false);
  });

  it('rejects with EADDRINUSE when the path is taken, and leaves the path alone', async () => {
    const { pool } = await openPool('scripted');
    const path = socketPath();
    writeFileSync(path, '');
    await expect(pool.listen({ path, handler: 'scripted' })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(existsSync(path)).toBe(true);
    expect(pool.stats().registered).toBe(0);
  });

  it('rejects addresses that are not of this machine', async () => {
    const { pool } = await openPool('scripted');
    await expect(pool.listen({ port: 0, host: '192.0.2.1', handler: 'scripted' })).rejects.toMatchObject({
      code: 'EADDRNOTAVAIL',
    });
  });

  it('rejects handlers that are unknown or of the wrong kind', async () => {
    const { pool } = await openPool('descriptors');
    await expect(pool.listen({ port: 0, handler: 'nobody' })).rejects.toMatchObject({
      code: 'ERR_WAKEONE_UNKNOWN_HANDLER',
    });
    await expect(pool.listen({ port: 0, handler: 'drain' })).rejects.toMatchObject({
      code: 'ERR_WAKEONE_HANDLER_KIND',
    });
  });

  it.each([
    [{ port: -1 }],
    [{ port: 65_536 }],
    [{ port: 1.5 }],
    [{ port: '80' }],
    [{}],
    [{ port: 1, path: '/x' }],
    [{ path: '' }],
    [{ path: `/tmp/${'x'.repeat(103)}` }],
    [{ port: 0, host: '' }],
    [{ port: 0, backlog: 0 }],
    [{ port: 0, maxConnections: 0 }],
    [{ port: 0, mode: 'level' }],
    [{ port: 0, allowHalfOpen: 1 }],
  ])('rejects the options %j', async (options) => {
    const { pool } = await openPool('scripted', { minThreads: 1 });
    await expect(pool.listen({ handler: 'scripted', ...options } as never)).rejects.toMatchObject({
      code: 'ERR_WAKEONE_INVALID_OPTION',
    });
  });
});

/** Sends text, text with a descriptor, text on each of ten connections; a read never goes beyond a descriptor. */
const DESCRIPTOR_SENDER = `
import array, socket, sys
peers = []
for i in range(10):
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(5)
    peer.connect(sys.argv[1])
    peer.send(b'before,')
    peer.sendmsg([b'with,'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0]))])
    peer.send(b'after')
    peers.append(peer)
print('sent')
sys.stdin.read()
`;
