/**
 * The cache as a process, under real clients: redis-cli, redis-benchmark, ioredis, sockets that cut commands anywhere, that send
 * what is no command, that read slowly; and while workers crash. Scenarios 15, 64, 82, 83, 84, 88, 89, 90, 92, 96 for it.
 */
import { setTimeout as after } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, test } from 'vitest';
import { HOST } from '../demo-process.ts';
import { Random } from '../scenarios/support/random.ts';
import { closeClients, openClient, openClients } from '../servers/client.ts';
import { STRESS } from '../servers/pools.ts';
import { benchmark, type Cache, cli, encode, openCache, openSafeCache, poolOf } from './cache.ts';

const MiB = 2 ** 20;
const times = (few: number, many: number): number => (STRESS ? many : few);

afterEach(closeClients);

async function settled(cache: Cache): Promise<void> {
  const pool = await poolOf(cache);
  expect(pool).toMatchObject({ exclusivityViolations: '0', rescuedWakeups: '0' });
}

/** Clients that the cache knows, without this one. */
async function clientsOf(cache: Cache): Promise<Record<string, string>[]> {
  const lines = (await cli(cache, 'client', 'list')).split('\n').filter((line) => line.includes('='));
  return lines
    .map((line) => Object.fromEntries(line.split(' ').map((field) => field.split('=') as [string, string])))
    .filter((one) => one['cmd'] !== 'client' || one['name'] !== '');
}

/** All clients have left, and the cache knows. */
async function allLeave(cache: Cache, deadlineMs = 5000): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while ((await clientsOf(cache)).length > 0 && performance.now() < deadline) await after(10);
  expect(await clientsOf(cache)).toEqual([]);
}

describe('real clients', () => {
  test('redis-cli', async () => {
    const cache = await openCache('--threads', '2');
    expect(await cli(cache, 'set', 'a', '1')).toBe('OK');
    expect(await cli(cache, 'incr', 'a')).toBe('2');
    expect(await cli(cache, 'get', 'a')).toBe('2');
    expect(await cli(cache, 'mget', 'a', 'b')).toBe('2');
    expect(await cli(cache, 'dbsize')).toBe('1');
    expect(await cli(cache, 'info', 'keyspace')).toContain('db0:keys=1');
  });

  test('redis-benchmark: 50 connections, 16 deep, each INCR is counted once', async () => {
    const cache = await openCache('--threads', '4');
    const total = 500_000;
    await benchmark(cache, '-c', '50', '-P', '16', '-n', String(total), 'incr', 'counter');
    expect(await cli(cache, 'get', 'counter')).toBe(String(total));
    await benchmark(
      cache,
      '-c',
      '50',
      '-P',
      '16',
      '-n',
      String(times(20_000, 500_000)),
      '-t',
      'set,get,mset',
    );
    expect(await cli(cache, 'info', 'stats')).toMatch(/evicted_keys:0/);
    await settled(cache);
  });

  test('ioredis: pipelines of many connections, and values of all bytes', async () => {
    const { port } = await openCache('--threads', '2');
    const clients = Array.from({ length: 10 }, () => new Redis(port, HOST));
    await Promise.all(
      clients.map(async (client, number) => {
        for (let round = 0; round < 20; round++) {
          const pipeline = client.pipeline();
          for (let i = 0; i < 50; i++)
            pipeline.set(`${number}:${i}`, `${round}`).get(`${number}:${i}`).incr('sum');
          const results = (await pipeline.exec()) ?? [];
          expect(results.filter(([error]) => error !== null)).toEqual([]);
          expect(results.filter((_, i) => i % 3 === 1).map(([, value]) => value)).toEqual(
            Array.from({ length: 50 }, () => `${round}`),
          );
        }
      }),
    );
    const [first] = clients as [Redis];
    expect(await first.get('sum')).toBe(String(10 * 20 * 50));
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    await first.set(bytes, bytes);
    expect((await first.getBuffer(bytes))?.equals(bytes)).toBe(true);
    for (const client of clients) client.disconnect();
  });
});

describe('values', () => {
  test('of 1 MiB, and no more', async () => {
    const { port } = await openCache('--threads', '2');
    const client = new Redis(port, HOST);
    const value = new Random(7).bytes(MiB);
    await client.set('large', value);
    expect((await client.getBuffer('large'))?.equals(value)).toBe(true);
    expect(await client.set(value.subarray(0, MiB), 'of a large key')).toBe('OK');
    await expect(client.append('large', 'x')).rejects.toThrow('string exceeds maximum allowed size');
    const [a, b] = await client.mgetBuffer('large', 'large');
    expect(a?.equals(value) && b?.equals(value)).toBe(true);
    client.disconnect();
    const raw = await openClient(port);
    raw.write(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${MiB + 1}\r\n`);
    expect((await raw.rest()).toString()).toBe('-ERR Protocol error: invalid bulk length\r\n');
  });

  test('that together are more than can be sent: an error, and the connection goes on', async () => {
    const { port } = await openCache('--threads', '2');
    const client = await openClient(port);
    client.write(encode('SET', 'k', Buffer.alloc(MiB, 'v')));
    expect((await client.read(5)).toString()).toBe('+OK\r\n');
    client.write(encode('MGET', ...Array.from({ length: 40 }, () => 'k')));
    expect((await client.read(5 + 40 * (MiB + 12))).subarray(0, 5).toString()).toBe('*40\r\n');
    client.write(encode('MGET', ...Array.from({ length: 10_000 }, () => 'k')));
    client.write(encode('PING'));
    const expected = '-ERR reply exceeds maximum allowed size (50331648 bytes)\r\n+PONG\r\n';
    expect((await client.read(expected.length)).toString()).toBe(expected);
  });

  test('expire, seen or not', async () => {
    const cache = await openCache('--threads', '2');
    await cli(cache, 'set', 'a', '1', 'px', '60');
    for (let i = 0; i < 50; i++) await cli(cache, 'set', `unseen${i}`, '1', 'px', '30');
    await cli(cache, 'set', 'stays', '1');
    await after(60);
    expect(await cli(cache, 'get', 'a')).toBe('');
    const deadline = performance.now() + 5000;
    while ((await cli(cache, 'dbsize')) !== '1' && performance.now() < deadline) await after(20);
    expect(await cli(cache, 'dbsize')).toBe('1');
  });

  test('that are more than the memory: old ones go, new ones come', async () => {
    const cache = await openCache('--threads', '2', '--resp-memory', String(4 * MiB));
    await benchmark(cache, '-c', '10', '-P', '16', '-n', '50000', '-r', '1000000', '-d', '500', '-t', 'set');
    const fields = await cli(cache, 'info', 'memory');
    const [used, most] = [/used_memory:(\d+)/, /maxmemory:(\d+)/].map((it) => Number(it.exec(fields)?.[1]));
    expect(used).toBeLessThanOrEqual(most as number);
    expect(most).toBeLessThanOrEqual(4 * MiB);
    expect(Number(/evicted_keys:(\d+)/.exec(await cli(cache, 'info', 'stats'))?.[1])).toBeGreaterThan(10_000);
    expect(await cli(cache, 'set', 'new', 'x')).toBe('OK');
    expect(await cli(cache, 'get', 'new')).toBe('x');
  });
});

describe('what arrives', () => {
  test('commands that are cut at every byte', async () => {
    const { port } = await openCache('--threads', '2');
    const stream = Buffer.concat([
      encode('SET', 'key', 'a\r\nb'),
      Buffer.from('get key\r\n'),
      encode('APPEND', 'key', '*1\r\n'),
      encode('MGET', 'key', 'none'),
    ]);
    const expected = '+OK\r\n$4\r\na\r\nb\r\n:8\r\n*2\r\n$8\r\na\r\nb*1\r\n\r\n$-1\r\n';
    for (let cut = 1; cut < stream.length; cut++) {
      const client = await openClient(port);
      client.write(stream.subarray(0, cut));
      await after(1);
      client.write(stream.subarray(cut));
      expect((await client.read(expected.length)).toString(), `cut at ${cut}`).toBe(expected);
      await client.close();
    }
  });

  test('commands and the end in one packet: all of them are answered, then the end (82)', async () => {
    const { port } = await openCache('--threads', '2');
    for (let round = 0; round < 20; round++) {
      const client = await openClient(port);
      client.socket.end(Buffer.concat(Array.from({ length: 1000 }, () => encode('PING'))));
      expect((await client.rest()).length).toBe(7000);
    }
  });

  test('QUIT is answered, and ends what comes after it', async () => {
    const { port } = await openCache('--threads', '1');
    const client = await openClient(port);
    client.write(Buffer.concat([encode('PING'), encode('QUIT'), encode('PING')]));
    expect((await client.rest()).toString()).toBe('+PONG\r\n+OK\r\n');
    // What it sends after that is dropped.
    for (let i = 0; i < 5; i++) {
      client.write(encode('SET', 'late', 'x'));
      await after(2);
    }
    const other = await openClient(port);
    other.write(encode('EXISTS', 'late'));
    expect(await other.line()).toBe(':0\r');
  });

  test('garbage and half commands disturb nobody', async () => {
    const cache = await openCache('--threads', '2');
    const random = new Random();
    const victim = new Redis(cache.port, HOST);
    let rounds = 0;
    const stop = new AbortController();
    const counting = (async (): Promise<void> => {
      for (; !stop.signal.aborted; rounds++) expect(await victim.incr('count')).toBe(rounds + 1);
    })();
    const inputs = times(2000, 100_000);
    const words = [
      '*1\r\n',
      '$4\r\nPING\r\n',
      '$3\r\n',
      'GET k\r\n',
      '*2\r\n$3\r\nGET\r\n',
      '"',
      '\r\n',
      '$-1\r\n',
    ];
    for (let sent = 0; sent < inputs; sent += 20) {
      const clients = await openClients(cache.port, 20);
      await Promise.all(
        clients.map(async (client) => {
          for (let i = 0; i < 3; i++)
            client.write(random.below(2) === 0 ? random.bytes(1 + random.below(60)) : random.pick(words));
          await new Promise(setImmediate);
          if (random.below(4) === 0) client.reset();
          await client.close();
        }),
      );
    }
    stop.abort();
    await counting;
    expect(rounds).toBeGreaterThan(10);
    victim.disconnect();
    await allLeave(cache);
    await settled(cache);
  });

  test('what has arrived is answered when the server ends, also to a client that has not read yet', async () => {
    const cache = await openCache('--threads', '2');
    await cli(cache, 'set', 'value', 'v'.repeat(100_000));
    const slow = await openClient(cache.port);
    slow.socket.pause();
    slow.write(Buffer.concat(Array.from({ length: 200 }, () => encode('GET', 'value'))));
    await after(300);
    cache.demo.signal('SIGTERM');
    await after(100);
    slow.socket.resume();
    expect((await slow.rest()).length).toBe(200 * (100_000 + 11));
    expect((await cache.demo.ended).code).toBe(0);
  });

  test('a client that quits and reads slowly gets all', async () => {
    const cache = await openCache('--threads', '2');
    await cli(cache, 'set', 'value', 'v'.repeat(60_000));
    // For some of them the kernel takes nearly all of it, so that QUIT runs when the rest waits.
    const counts = Array.from({ length: 80 }, (_, i) => 30 + i);
    const slow = await openClients(cache.port, counts.length);
    for (const [i, client] of slow.entries()) {
      client.socket.pause();
      const gets = Array.from({ length: counts[i] ?? 0 }, () => encode('GET', 'value'));
      client.write(Buffer.concat([...gets, encode('QUIT')]));
    }
    await after(2500);
    for (const [i, client] of slow.entries()) {
      client.socket.resume();
      expect((await client.rest()).length).toBe((counts[i] ?? 0) * 60_010 + 5);
    }
  });

  test('a client that reads slowly gets all, and the rest is not kept for it meanwhile (64)', async () => {
    const cache = await openCache('--threads', '2');
    await cli(cache, 'set', 'value', 'v'.repeat(100_000));
    const slow = await openClient(cache.port);
    slow.socket.pause();
    const count = 1000;
    slow.write(Buffer.concat(Array.from({ length: count }, () => encode('GET', 'value'))));
    const handled = async (): Promise<number> =>
      Number(/processed:(\d+)/.exec(await cli(cache, 'info', 'stats'))?.[1]);
    let before = -1;
    for (let now = await handled(); now - before > 2; now = await handled()) {
      before = now;
      await after(50);
    }
    expect(await handled()).toBeLessThan(count / 2);
    slow.socket.resume();
    const all = await slow.read(count * (100_000 + 11));
    expect(all.subarray(-12).toString()).toBe('vvvvvvvvvv\r\n');
  });
});

describe('clients', () => {
  test('are listed, named, and killed by others in whatever worker (89)', async () => {
    const cache = await openCache('--threads', '4');
    const clients = await openClients(cache.port, 8);
    for (const [i, client] of clients.entries()) {
      client.write(encode('CLIENT', 'SETNAME', `client-${i}`));
      expect(await client.line()).toBe('+OK\r');
    }
    const listed = await clientsOf(cache);
    expect(listed.map(({ name }) => name)).toEqual(clients.map((_, i) => `client-${i}`));
    expect(listed.map(({ addr }) => addr)).toEqual(
      clients.map(({ socket }) => `127.0.0.1:${socket.localPort}`),
    );
    expect(await cli(cache, 'client', 'kill', 'id', listed[3]?.['id'] ?? '')).toBe('1');
    expect((await clients[3]?.rest())?.length).toBe(0);
    expect(await cli(cache, 'client', 'kill', listed[4]?.['addr'] ?? '')).toBe('OK');
    expect((await clients[4]?.rest())?.length).toBe(0);
    expect(await cli(cache, 'client', 'kill', 'id', listed[3]?.['id'] ?? '')).toBe('0');
    clients[0]?.write(encode('CLIENT', 'KILL', 'LADDR', `127.0.0.1:${cache.port}`, 'SKIPME', 'no'));
    expect(await clients[0]?.line()).toMatch(/^:[67]\r$/);
    for (const client of clients) expect(await client.over()).toBe('end');
    await allLeave(cache);
  });

  test('that are silent for `timeout` seconds are closed, those that came before it was set too (92)', async () => {
    const cache = await openCache('--threads', '2');
    const [silent, busy] = await openClients(cache.port, 2);
    expect(await cli(cache, 'config', 'set', 'timeout', '1')).toBe('OK');
    const late = await openClient(cache.port);
    const from = performance.now();
    for (;;) {
      busy?.write(encode('PING'));
      expect(await busy?.line()).toBe('+PONG\r');
      await after(20);
      if (silent?.ended === true && late.ended) break;
    }
    expect(performance.now() - from).toBeGreaterThan(900);
    expect(busy?.closed).toBe(false);
    await cli(cache, 'config', 'set', 'timeout', '0');
    const again = await openClient(cache.port);
    await after(1200);
    expect(again.ended).toBe(false);
  });

  test('more than `maxclients` are told so', async () => {
    const cache = await openCache('--threads', '2');
    const some = await openClients(cache.port, 3);
    for (const client of some) {
      client.write(encode('PING'));
      expect(await client.line()).toBe('+PONG\r');
    }
    some[0]?.write(encode('CONFIG', 'SET', 'maxclients', '3'));
    expect(await some[0]?.line()).toBe('+OK\r');
    const more = await openClient(cache.port);
    more.write(encode('SET', 'a', 'b'));
    expect((await more.rest()).toString()).toBe('-ERR max number of clients reached\r\n');
    await some[0]?.close();
    for (let tries = 0; tries < 100; tries++) {
      const next = await openClient(cache.port);
      next.write(encode('PING'));
      if ((await next.line()) === '+PONG\r') return;
      await after(10);
    }
    throw new Error('nobody is let in');
  });

  test('come and go by thousands, and leave nothing (96)', async () => {
    const cache = await openCache('--threads', '4');
    for (let round = 0; round < times(50, 2000); round++) {
      const clients = await openClients(cache.port, 50);
      await Promise.all(
        clients.map(async (client, i) => {
          if (i % 3 === 0) return client.reset();
          client.write(encode('PING'));
          expect(await client.line()).toBe('+PONG\r');
          return client.close();
        }),
      );
    }
    await allLeave(cache);
    expect(await cli(cache, 'info', 'clients')).toContain('connected_clients:1');
    await settled(cache);
  });
});

describe('a worker', () => {
  test('that sleeps in a command holds up nobody else', async () => {
    const cache = await openCache('--threads', '2');
    const [sleeper, other] = await openClients(cache.port, 2);
    let replies = 0;
    const end = performance.now() + 1000;
    const sleeping = (async (): Promise<void> => {
      while (performance.now() < end) {
        sleeper?.write(encode('DEBUG', 'SLEEP', '0.02'));
        await sleeper?.line();
      }
    })();
    const waits: number[] = [];
    while (performance.now() < end) {
      const from = performance.now();
      other?.write(encode('PING'));
      await other?.line();
      waits.push(performance.now() - from);
      replies++;
      await after(1);
    }
    await sleeping;
    expect(replies).toBeGreaterThan(100);
    const p90 = waits.toSorted((a, b) => a - b)[Math.floor(waits.length * 0.9)];
    // Redis: 20 ms.
    expect(p90).toBeLessThan(10);
  });

  test.each(['throw', 'exit', 'reject', 'terminate', 'oom'])(
    'that crashes by %s costs its own client, and not the data',
    async (how) => {
      const cache = await openCache('--threads', '2');
      await cli(cache, 'set', 'kept', 'value');
      for (let round = 0; round < times(3, 100); round++) {
        const [crasher, other] = await openClients(cache.port, 2);
        other?.write(encode('PING'));
        await other?.line();
        crasher?.write(encode('DEBUG', 'CRASH', how));
        if (how !== 'reject') expect(await crasher?.over()).toBeDefined();
        other?.write(encode('GET', 'kept'));
        expect(await other?.line()).toBe('$5\r');
        expect(await other?.line()).toBe('value\r');
        await crasher?.close();
        await other?.close();
      }
      await allLeave(cache, 10_000);
      await settled(cache);
    },
  );

  test('may be told to end the process, which is gone at once', async () => {
    const cache = await openCache('--threads', '2');
    const [client, spinner] = await openClients(cache.port, 2);
    spinner?.write(encode('DEBUG', 'SPIN', '100'));
    client?.write(encode('DEBUG', 'PROCESS-EXIT'));
    const from = performance.now();
    expect(await cache.demo.ended).toMatchObject({ code: 0, err: '' });
    expect(performance.now() - from).toBeLessThan(2000);
  });

  test('does no harm for clients that were not allowed to ask for it', async () => {
    const cache = await openSafeCache('--threads', '1');
    for (const words of [['CRASH', 'exit'], ['SPIN', '1'], ['PROCESS-EXIT']])
      expect(await cli(cache, 'debug', ...words)).toMatch(/^ERR DEBUG \S+ is for tests/);
    expect(await cli(cache, 'debug', 'sleep', '0')).toBe('OK');
  });
});
