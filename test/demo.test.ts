/**
 * The demo as a process of its own: its options, its output, and how it ends. Scenarios 64, 75, 77 for the demo.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { client, type Demo, DRAINING, HOST, start } from './demo-process.ts';

const startJson = (...args: string[]): Demo => start('--json', '--echo', '0', '--threads', '2', ...args);

/** Writes and waits until as many bytes have come back. */
async function echo(socket: Socket, text: string): Promise<string> {
  let got = '';
  socket.write(text);
  while (got.length < text.length) got += String((await once(socket, 'data'))[0]);
  return got;
}

/** Waits until nobody listens on the port. */
async function refused(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, HOST);
    const failed = await Promise.race([
      once(socket, 'connect').then(() => false),
      once(socket, 'error').then(() => true),
    ]).catch(() => true);
    socket.destroy();
    if (failed) return;
  }
}

describe('output', () => {
  test('--json: one ready line with everything that is needed to talk to it', async () => {
    const demo = startJson();
    const ready = JSON.parse(await demo.line()) as { echo: { port: number } };
    expect(ready).toEqual({
      ready: true,
      pid: demo.child.pid,
      threads: 2,
      echo: { host: HOST, port: expect.any(Number) },
      resp: { host: HOST, port: expect.any(Number) },
    });
    expect(ready.echo.port).toBeGreaterThan(0);
    expect(await echo(await client(ready.echo.port), 'hello')).toBe('hello');
  });

  test('without --json: a sentence, and a command to try that works', async () => {
    const demo = start('--echo', '0', '--threads', '1');
    expect(await demo.line()).toMatch(/^wakeone: a TCP echo on 127\.0\.0\.1:\d+, served by 1 worker threads/);
    expect(await demo.line()).toMatch(
      /^wakeone: a cache that speaks the protocol of Redis on 127\.0\.0\.1:\d+$/,
    );
    const [, program = '', host = '', port = ''] = /try: {5}(nc) (\S+) (\d+)/.exec(await demo.line()) ?? [];
    const netcat = spawn(program, [host, port], { stdio: ['pipe', 'pipe', 'inherit'] });
    netcat.stdin.write('a line\n');
    const [line] = (await once(createInterface({ input: netcat.stdout }), 'line')) as [string];
    expect(line).toBe('a line');
    netcat.kill();
    await once(netcat, 'close');
  });

  test('--stats-interval-ms: a line of statistics, in JSON or in words', async () => {
    const demo = startJson('--stats-interval-ms', '20');
    const socket = await client(await demo.port());
    await echo(socket, 'hello');
    type Line = { stats: { registered: number; workers: { handled: number }[] } };
    for (;;) {
      const { stats } = JSON.parse(await demo.line()) as Line;
      expect(stats.workers).toHaveLength(2);
      expect(stats).toMatchObject({ rescuedWakeups: 0, exclusivityViolations: 0 });
      // Two listeners and the connection.
      if (stats.registered === 3 && stats.workers.some(({ handled }) => handled > 0)) break;
    }
    const words = start('--echo', '0', '--threads', '1', '--stats-interval-ms', '20');
    for (let line = 0; line < 4; line++) await words.line();
    expect(await words.line()).toMatch(/^2 registered; handled by worker 0: \d+ \(\w+\); violations 0$/);
  });

  test('--help tells the usage', async () => {
    const { code, out, err } = await start('--help').ended;
    expect(code).toBe(0);
    expect(err).toBe('');
    for (const option of [
      '--echo',
      '--host',
      '--proxy',
      '--upstream',
      '--threads',
      '--concurrency',
      '--max-connections',
      '--json',
    ])
      expect(out).toContain(option);
  });
});

describe('a mistake is told, with exit code 1 and nothing on standard output', () => {
  test.each([
    [['--echo', '70000'], /--echo must be an integer from 0 to 65535; got '70000'/],
    [['--echo', 'http'], /--echo must be an integer/],
    [['--echo='], /--echo must be an integer/],
    [['--echo', '1.5'], /--echo must be an integer/],
    [['--echo'], /--echo/],
    [['--threads', '0'], /--threads must be an integer from 1 to 32; got '0'/],
    [['--threads', '33'], /--threads must be an integer/],
    [['--concurrency=-1'], /--concurrency must be an integer from 1 to 32; got '-1'/],
    [['--threads', '2', '--concurrency', '3', '--echo', '0'], /'concurrency' must be an integer from 1 to 2/],
    [['--max-connections', '0'], /--max-connections must be an integer/],
    [['--stats-interval-ms', 'often'], /--stats-interval-ms must be an integer/],
    [['--resp', '65536'], /--resp must be an integer from 0 to 65535; got '65536'/],
    [['--resp-memory', '1'], /--resp-memory must be an integer from 65536 to/],
    [['--prot', '7007'], /--prot'; --help lists the options$/m],
    [['--proxy', '7008'], /--proxy and --upstream are given together/],
    [['--upstream', '127.0.0.1:80'], /--proxy and --upstream are given together/],
    [['--proxy=-1', '--upstream', '127.0.0.1:80'], /--proxy/],
    [['--proxy', '0', '--upstream', 'localhost'], /--upstream must be HOST:PORT; got 'localhost'/],
    [['--proxy', '0', '--upstream', '[::1]:0'], /--upstream must be an integer from 1 to 65535; got '0'/],
    [['7007'], /7007/],
    [['--host', '192.0.2.1', '--echo', '0', '--threads', '1'], /EADDRNOTAVAIL/],
    [['--host', '', '--echo', '0', '--threads', '1'], /'host' must be a string/],
  ])('%j', async (args, message) => {
    const { code, out, err } = await start(...args).ended;
    expect(err).toMatch(message);
    expect(err).toMatch(/^wakeone: [^\n]+\n$/);
    expect({ code, out }).toEqual({ code: 1, out: '' });
  });

  test('the port is in use', async () => {
    const other = createServer().listen(0, HOST);
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    const { code, out, err } = await start('--echo', `${port}`, '--threads', '2').ended;
    expect(err).toBe(`${err.trim()}\n`);
    expect(err).toMatch(new RegExp(`^wakeone: 127\\.0\\.0\\.1:${port} is in use`));
    expect({ code, out }).toEqual({ code: 1, out: '' });
    other.close();
  });
});

describe('the end', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s without connections: exit code 0', async (signal) => {
    const demo = startJson();
    const port = await demo.port();
    const { code, err } = await demo.signal(signal).ended;
    expect({ code, err }).toEqual({ code: 0, err: DRAINING });
    await refused(port);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)('%s with idle connections: they are ended', async (signal) => {
    const demo = startJson();
    const port = await demo.port();
    const clients = await Promise.all([client(port), client(port), client(port)]);
    for (const socket of clients) expect(await echo(socket, 'x')).toBe('x');
    const ends = clients.map((socket) => once(socket, 'end'));
    demo.signal(signal);
    await Promise.all(ends);
    expect(await demo.ended).toMatchObject({ code: 0, err: DRAINING });
  });

  test('SIGTERM during a transfer: what arrives is what was sent, up to the end', async () => {
    const demo = startJson();
    const socket = await client(await demo.port());
    const chunk = Buffer.from(Array.from({ length: 65_536 }, (_, i) => i % 251));
    let received = 0;
    let wrong = 0;
    let sent = 0;
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      for (const byte of bytes) if (byte !== chunk[received++ % chunk.length]) wrong++;
      if (received > 2_000_000 && !demo.child.killed) demo.signal('SIGTERM');
    });
    const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()));
    const pump = (): void => {
      while (!socket.destroyed && socket.writable && sent < 50_000_000) {
        sent += chunk.length;
        if (!socket.write(chunk)) return;
      }
    };
    socket.on('drain', pump);
    pump();
    await ended;
    expect(await demo.ended).toMatchObject({ code: 0, err: DRAINING });
    expect(received).toBeGreaterThan(2_000_000);
    expect(wrong).toBe(0);
  });

  test('a request that had been sent before the signal is answered', async () => {
    const demo = startJson();
    const port = await demo.port();
    const clients = await Promise.all(Array.from({ length: 20 }, () => client(port)));
    const answers = clients.map(async (socket) => {
      let got = '';
      socket.on('data', (bytes: Buffer) => (got += bytes.toString()));
      await once(socket, 'end');
      return got;
    });
    // One byte each tells that all are accepted; then the requests are in the kernel before the signal is sent.
    for (const socket of clients) socket.write('?');
    await Promise.all(clients.map((socket) => once(socket, 'data')));
    await Promise.all(
      clients.map((socket) => new Promise<void>((resolve) => socket.write('answer me', () => resolve()))),
    );
    demo.signal('SIGTERM');
    expect(await Promise.all(answers)).toEqual(clients.map(() => '?answer me'));
    expect(await demo.ended).toMatchObject({ code: 0 });
  });

  test('a client that does not read delays the end; a second signal does not wait for it', async () => {
    const demo = startJson('--stats-interval-ms', '20');
    const port = await demo.port();
    const socket = await client(port);
    socket.on('error', () => {});
    socket.pause();
    // More than all buffers between hold: at some point the echo cannot send any more, and reads no more.
    socket.write(Buffer.alloc(64 << 20));
    let before = 0;
    for (let same = 0; same < 10;) {
      const { stats } = JSON.parse(await demo.line()) as { stats: { workers: { handled: number }[] } };
      const handled = stats.workers.reduce((sum, worker) => sum + worker.handled, 0);
      same = handled > 0 && handled === before ? same + 1 : 0;
      before = handled;
    }
    demo.signal('SIGTERM');
    await refused(port);
    expect(demo.child.exitCode).toBeNull();
    const asked = Date.now();
    // Copies of the first one, as npm makes them, do not count: this one comes until it does.
    const again = setInterval(() => demo.signal('SIGTERM'), 50);
    expect(await demo.ended).toMatchObject({ code: 1, signal: null });
    clearInterval(again);
    expect(Date.now() - asked).toBeLessThan(2000);
  });
});

describe('options', () => {
  test('--max-connections: the next client is served when one has left', async () => {
    const demo = startJson('--max-connections', '1');
    const port = await demo.port();
    const first = await client(port);
    expect(await echo(first, 'one')).toBe('one');
    const second = await client(port);
    const answer = echo(second, 'two');
    const order: string[] = [];
    void answer.then(() => order.push('second'));
    // Many turns of the server, in which it would have answered the second as well.
    for (let i = 0; i < 50; i++) await echo(first, 'more');
    order.push('first ends');
    first.end();
    expect(await answer).toBe('two');
    expect(order).toEqual(['first ends', 'second']);
  });

  test('--threads and --concurrency: as many workers as asked for', async () => {
    const demo = start('--json', '--echo', '0', '--threads', '3', '--concurrency', '1');
    const ready = JSON.parse(await demo.line()) as { threads: number; echo: { port: number } };
    expect(ready.threads).toBe(3);
    const clients = await Promise.all(Array.from({ length: 10 }, () => client(ready.echo.port)));
    expect(await Promise.all(clients.map((socket, i) => echo(socket, `client ${i}`)))).toEqual(
      clients.map((_, i) => `client ${i}`),
    );
  });
});
