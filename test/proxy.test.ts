/**
 * The proxy of the demo, whose two sockets are a group: what goes through it is unharmed, no side is read faster than the other
 * one takes it, each direction ends by itself. Scenario 106 with real programs; that one handler of the two runs at a time is
 * in servers/groups.test.ts, and in the violations that the demo counts.
 */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as after } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { type Demo, DRAINING, HOST, start } from './demo-process.ts';

const STRESS = process.env['WAKEONE_STRESS'] === '1';
const run = promisify(execFile);
const isInstalled = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;
const PIECE = Buffer.from(Array.from({ length: 65_521 }, (_, i) => (i * 7 + (i >> 8)) % 251));

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** Listens on a port of its own, as what is behind the proxy. */
async function upstream(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    closers.push(() => socket.destroy());
    socket.on('error', () => {});
    serve(socket);
  }).listen(0, HOST);
  closers.push(() => server.close());
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}

async function proxyTo(port: number, ...args: string[]): Promise<{ demo: Demo; port: number }> {
  const to = ['--proxy', '0', '--upstream', `${HOST}:${port}`];
  const demo = start('--json', '--echo', '0', '--threads', '2', ...to, ...args);
  const { proxy } = await demo.ready();
  return { demo, port: proxy?.port ?? 0 };
}

async function client(port: number): Promise<Socket> {
  const socket = connect({ port, host: HOST, allowHalfOpen: true });
  closers.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Sends so many bytes, as fast as they are taken, and ends. Their checksum. */
async function send(socket: Socket, total: number): Promise<string> {
  const hash = createHash('sha256');
  for (let left = total; left > 0; left -= PIECE.length) {
    const piece = PIECE.subarray(0, left);
    hash.update(piece);
    if (!socket.write(piece)) await once(socket, 'drain');
  }
  socket.end();
  return hash.digest('hex');
}

/** All that comes, to the end. */
async function receive(socket: Socket): Promise<{ readonly length: number; readonly sum: string }> {
  const hash = createHash('sha256');
  let length = 0;
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    length += (chunk as Buffer).length;
    hash.update(chunk as Buffer);
  }
  return { length, sum: hash.digest('hex') };
}

async function text(socket: Socket): Promise<string> {
  let got = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) got += String(chunk);
  return got;
}

describe('what goes through', () => {
  test('is unharmed, both ways at once, and each way ends by itself', async () => {
    const total = STRESS ? 2 ** 30 : 2 ** 26;
    const behind: Promise<[string, { length: number; sum: string }]>[] = [];
    const { demo, port } = await proxyTo(
      await upstream((socket) => {
        behind.push(Promise.all([send(socket, total), receive(socket)]));
      }),
    );
    const socket = await client(port);
    const [sent, received] = await Promise.all([send(socket, total), receive(socket)]);
    const [sentBehind, receivedBehind] = await (behind[0] ?? Promise.reject(new Error('no connection')));
    expect(received).toEqual({ length: total, sum: sentBehind });
    expect(receivedBehind).toEqual({ length: total, sum: sent });
    expect(await demo.signal('SIGTERM').ended).toMatchObject({ code: 0, err: DRAINING });
  }, 120_000);

  test('what the client sends before there is a connection is not lost', async () => {
    const { port } = await proxyTo(await upstream((socket) => socket.pipe(socket)));
    await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const socket = connect({ port, host: HOST, allowHalfOpen: true });
        socket.end(`at once ${i}`);
        expect(await text(socket)).toBe(`at once ${i}`);
      }),
    );
  });

  test('an end of the client is passed on, and the answer comes after it', async () => {
    const { port } = await proxyTo(
      await upstream((socket) => {
        void text(socket).then((question) => socket.end(`<${question}>`));
      }),
    );
    const socket = await client(port);
    socket.end('question');
    expect(await text(socket)).toBe('<question>');
  });

  test('an end of the upstream is passed on, and what the client sends after it arrives', async () => {
    let heard: Promise<string> | undefined;
    const { port } = await proxyTo(
      await upstream((socket) => {
        socket.end('banner');
        heard = text(socket);
      }),
    );
    const socket = await client(port);
    expect(await text(socket)).toBe('banner');
    socket.end('late');
    expect(await heard).toBe('late');
  });
});

describe('back-pressure', () => {
  /** More than the kernel and the proxy keep for who does not read. */
  const MOST = 64 << 20;

  /** Sends until no more is taken. How much that was. */
  async function flood(socket: Socket): Promise<number> {
    let sent = 0;
    while (sent < MOST) {
      sent += PIECE.length;
      if (socket.write(PIECE)) continue;
      const drained = once(socket, 'drain').then(() => true);
      if (!(await Promise.race([drained, after(500, false)]))) break;
    }
    return sent;
  }

  test('a client that does not read stops the upstream', async () => {
    const accepted = new EventEmitter();
    const { port } = await proxyTo(await upstream((socket) => void accepted.emit('socket', socket.pause())));
    const [[sender], socket] = (await Promise.all([once(accepted, 'socket'), client(port)])) as [
      [Socket],
      Socket,
    ];
    const sent = await flood(sender);
    expect(sent).toBeLessThan(MOST);
    sender.end();
    expect((await receive(socket)).length).toBe(sent);
  });

  test('an upstream that does not read stops the client', async () => {
    const accepted = new EventEmitter();
    const { port } = await proxyTo(await upstream((socket) => void accepted.emit('socket', socket.pause())));
    const [[receiver], socket] = (await Promise.all([once(accepted, 'socket'), client(port)])) as [
      [Socket],
      Socket,
    ];
    const sent = await flood(socket);
    expect(sent).toBeLessThan(MOST);
    socket.end();
    expect((await receive(receiver)).length).toBe(sent);
  });
});

describe('ends', () => {
  /** The other side has ended, in whatever way. */
  const over = (socket: Socket): Promise<unknown> =>
    new Promise((resolve) => socket.on('error', resolve).on('end', resolve).on('close', resolve).resume());

  test('nobody listens upstream: the client is closed', async () => {
    const port = await upstream(() => {});
    closers.pop()?.();
    const proxy = await proxyTo(port);
    await over(await client(proxy.port));
    expect((await proxy.demo.signal('SIGTERM').ended).code).toBe(0);
  });

  test.each(['client', 'upstream'] as const)('a reset of the %s reaches the other one', async (who) => {
    const accepted = new EventEmitter();
    const { port } = await proxyTo(await upstream((socket) => void accepted.emit('socket', socket)));
    const [[behind], socket] = (await Promise.all([once(accepted, 'socket'), client(port)])) as [
      [Socket],
      Socket,
    ];
    socket.write('hello');
    await once(behind, 'data');
    const [resets, hears] = who === 'client' ? [socket, behind] : [behind, socket];
    resets.resetAndDestroy();
    await over(hears);
  });

  test('SIGTERM: a request that is on its way is answered', async () => {
    const { demo, port } = await proxyTo(
      await upstream((socket) => {
        socket.on('data', (question: Buffer) => {
          if (question.length > 1) demo.signal('SIGTERM');
          setTimeout(() => socket.write(question), 200);
        });
        socket.on('end', () => socket.end());
      }),
    );
    const socket = await client(port);
    socket.write('?');
    expect(String((await once(socket, 'data'))[0])).toBe('?');
    socket.write('question');
    const answer = text(socket);
    expect(await answer).toBe('question');
    socket.end();
    expect(await demo.ended).toMatchObject({ code: 0, err: DRAINING });
  });
});

describe('real programs', () => {
  const noViolation = async (demo: Demo): Promise<void> => {
    for (let lines = 0; lines < 3; lines++) {
      const { stats } = JSON.parse(await demo.line()) as { stats: object };
      expect(stats).toMatchObject({ exclusivityViolations: 0, rescuedWakeups: 0 });
    }
  };

  test.skipIf(!isInstalled('wrk'))(
    'carries wrk',
    async () => {
      const server = createHttpServer((_, response) => void response.end('x'.repeat(200))).listen(0, HOST);
      closers.push(() => server.close().closeAllConnections());
      await once(server, 'listening');
      const { demo, port } = await proxyTo(
        (server.address() as { port: number }).port,
        '--stats-interval-ms',
        '20',
      );
      const { stdout } = await run('wrk', [
        '-t1',
        '-c32',
        `-d${STRESS ? 20 : 2}s`,
        '--timeout=10s',
        `http://${HOST}:${port}/`,
      ]);
      expect(stdout).not.toMatch(/Socket errors|Non-2xx/);
      expect(Number(/(\d+) requests in/.exec(stdout)?.[1])).toBeGreaterThan(100);
      await noViolation(demo);
    },
    60_000,
  );

  test.skipIf(!isInstalled('redis-server') || !isInstalled('redis-benchmark'))(
    'carries redis',
    async () => {
      const behind = await freePort();
      const redis = spawn(
        'redis-server',
        ['--port', `${behind}`, '--bind', HOST, '--save', '', '--appendonly', 'no', '--dir', '/tmp'],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      closers.push(() => redis.kill());
      for await (const line of createInterface({ input: redis.stdout }))
        if (line.includes('Ready to accept')) break;
      const { demo, port } = await proxyTo(behind, '--stats-interval-ms', '20');
      const count = STRESS ? 500_000 : 10_000;
      for (const pipelined of [1, 16]) {
        const to = ['-h', HOST, '-p', `${port}`, '-c', '20', '-n', `${count}`, '-P', `${pipelined}`];
        const { stdout } = await run('redis-benchmark', [
          ...to,
          '-d',
          '300',
          '-t',
          'set,get,lrange_100',
          '--csv',
        ]);
        expect(stdout).toMatch(/"SET","\d+/);
        expect(stdout).toMatch(/"GET","\d+/);
        expect(stdout).not.toMatch(/error/i);
      }
      await noViolation(demo);
    },
    300_000,
  );

  async function freePort(): Promise<number> {
    const server = createServer().listen(0, HOST);
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
});
