/**
 * Many short connections: each is opened once and closed once, whoever accepts, reads and closes. Scenarios 99, 96 (in
 * part), 112.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { type Child, runProgram } from '../supervision/child.ts';
import { openClient, portOf } from './client.ts';
import { until, within } from './deadline.ts';
import { afterTest, guardPools, listen, openPool, STRESS } from './pools.ts';

const run = promisify(execFile);
const MODES = ['edge', 'oneshot'] as const;
const OPENED = 1;
const CLOSED = 2;
const TWICE = 4;

guardPools();

describe.each(MODES)('short connections in mode %s', (mode) => {
  it('are answered to curl', async () => {
    const { pool } = await openPool('accepts');
    const server = await listen(pool, 'http', { mode });
    const url = `http://127.0.0.1:${portOf(server)}`;
    const { stdout } = await run('curl', ['-sS', '-m', '10', `${url}/[1-20]`]);
    expect(stdout).toBe(Array.from({ length: 20 }, (_, i) => `you asked for /${i + 1}\n`).join(''));
  });

  it('are opened once and closed once each, whether they end in order or not', async () => {
    const { pool, journal } = await openPool('accepts', { minThreads: 4, concurrency: 4 });
    const server = await listen(pool, 'http', { mode });
    const each = STRESS ? 20_000 : 150;
    const lanes = 8;
    await Promise.all(
      Array.from({ length: lanes }, async (_, lane) => {
        for (let i = 0; i < each; i++) {
          const client = await openClient(server);
          client.write('GET /x HTTP/1.0\r\n\r\n');
          if (lane % 4 !== 3) expect((await client.rest()).toString()).toContain('you asked for /x\n');
          // In order, by RST after the answer, and by RST before or amid it.
          if (lane % 4 === 0) client.socket.end();
          else client.reset();
          await until(() => client.socket.destroyed || lane % 4 === 0, 'its end');
          await client.close();
        }
      }),
    );
    await until(() => journal.counted(CLOSED) === journal.counted(OPENED), 'all closes');
    await until(() => server.connections === 0, 'no connection');
    expect(journal.counted(OPENED)).toBeLessThanOrEqual(lanes * each);
    expect(journal.counted(OPENED)).toBeGreaterThanOrEqual((lanes * each * 3) / 4);
    expect(journal.counted(TWICE)).toBe(0);
  }, 600_000);
});

describe('the system calls of the pool, counted by strace', () => {
  const children: Child[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill();
  });

  async function serve(
    threads: number,
  ): Promise<{ child: Child; ports: Record<'echo' | 'gated' | 'byte', number> }> {
    const child = runProgram('gated', String(threads));
    children.push(child);
    const { ports } = JSON.parse(await child.line('ports')) as {
      ports: Record<'echo' | 'gated' | 'byte', number>;
    };
    return { child, ports };
  }

  /** Calls by name that the whole process makes while `work` goes on. */
  async function countCalls(pid: number, work: () => Promise<void>): Promise<Map<string, number>> {
    const folder = mkdtempSync(join(tmpdir(), 'wakeone-strace-'));
    afterTest(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'calls');
    const strace = spawn('strace', ['-f', '-o', file, '-p', String(pid)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const ended = once(strace, 'close');
    let said = '';
    strace.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until(
      () => said.includes('attached'),
      () => `strace; it said: ${said}`,
    );
    await work();
    strace.kill('SIGINT');
    await within(ended, 'the end of strace');
    const counts = new Map<string, number>();
    for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(/^\d+ +(\w+)\(/gm))
      counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  }

  const total = (counts: Map<string, number>): number =>
    [...counts.values()].reduce((sum, count) => sum + count, 0);
  const show = (counts: Map<string, number>): string =>
    [...counts].map(([name, count]) => `${name} ${count}`).join(', ');

  it.each([1, 2])('of a connection of one byte are few, with %i threads', async (threads) => {
    const { child, ports } = await serve(threads);
    const connections = 200;
    const counts = await countCalls(child.pid, async () => {
      for (let i = 0; i < connections; i++) {
        const client = await openClient(ports.byte);
        client.socket.end('x');
        expect((await client.rest()).toString()).toBe('x');
        await client.close();
      }
    });
    // accept4 twice (the second finds nothing), epoll_ctl, two reads, a write, close; polls between them.
    expect(counts.get('accept4') ?? 0, show(counts)).toBeLessThanOrEqual(2.1 * connections);
    expect(counts.get('epoll_ctl') ?? 0, show(counts)).toBeLessThanOrEqual(1.1 * connections);
    expect(counts.get('close') ?? 0, show(counts)).toBeLessThanOrEqual(1.1 * connections);
    expect(total(counts) / connections, show(counts)).toBeLessThan(threads === 1 ? 13 : 16);
  });

  it('are none to take work that waits in the ring', async () => {
    const { child, ports } = await serve(1);
    const many = 100;
    const clients = await Promise.all(Array.from({ length: many }, () => openClient(ports.echo)));
    for (const client of clients) {
      client.write('1');
      await client.read(1);
    }
    const holder = await openClient(ports.gated);
    holder.write('x');
    // The one worker waits at the gate, and all the requests in the kernel.
    await until(() => holder.socket.bytesWritten === 1, 'the request');
    child.process.stdin.write('stats');
    for (const client of clients) client.write('2');
    await until(() => clients.every((client) => client.socket.writableLength === 0), 'the requests');
    const counts = await countCalls(child.pid, async () => {
      child.process.stdin.write('open');
      await holder.read(1);
      for (const client of clients) await client.read(1);
    });
    // A read and a write for each; all events in few polls, and no futex between two turns.
    expect(counts.get('epoll_wait') ?? 0, show(counts)).toBeLessThan(many / 4);
    // V8's own threads (compiling, collecting) are counted too, some tens in all; one a turn would be a hundred at least.
    expect(counts.get('futex') ?? 0, show(counts)).toBeLessThan((3 * many) / 4);
    expect(counts.get('epoll_ctl') ?? 0, show(counts)).toBe(0);
  });
});
