/**
 * Pools under pressure: workers that are all blocked while events flow, one connection that never rests beside quiet ones,
 * workers that look up for no reason. Scenarios 63, 69, 70, 93.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { closeClients, openClient, openClients, portOf } from '../servers/client.ts';
import { until } from '../servers/deadline.ts';
import { afterTest, guardPools, listen, openPool, STRESS } from '../servers/pools.ts';
import { type Child, runProgram } from './child.ts';
import { activityOf } from './threads.ts';

const KIB = 1024;
const MODES = ['edge', 'oneshot'] as const;
const TICKS_PER_SECOND = 100;
const children: Child[] = [];

guardPools();
afterEach(() => {
  for (const child of children.splice(0)) child.kill();
});

const ticksOf = (pid: number): number => activityOf(pid).reduce((sum, { ticks }) => sum + ticks, 0);

function residentBytes(pid: number): number {
  const [, kib = '0'] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * KIB;
}

it('while all workers are blocked, events cost neither memory nor CPU, and all are handled later', async () => {
  const child = runProgram('gated', '2');
  children.push(child);
  const { ports } = JSON.parse(await child.line('ports')) as { ports: Record<'echo' | 'gated', number> };
  const clients = await openClients(ports.echo, 100);
  for (const client of clients) {
    client.write('.');
    await client.read(1);
  }
  const holders = await openClients(ports.gated, 2);
  for (const holder of holders) holder.write('x');
  const stats = async (): Promise<{ workers: { state: string; handled: number }[] }> => {
    const seen = child.lines.length;
    child.process.stdin.write('stats');
    await until(() => child.lines.length > seen, 'the statistics');
    return (
      JSON.parse(child.lines.at(-1) ?? '') as { stats: { workers: { state: string; handled: number }[] } }
    ).stats;
  };
  // Each worker has a holder's handler, which does not end.
  let before = '';
  for (let now = '?'; now !== before || !now.includes('running,running');) {
    before = now;
    now = (await stats()).workers.map((worker) => worker.state).join();
  }

  const bytes = residentBytes(child.pid);
  const ticks = ticksOf(child.pid);
  const from = performance.now();
  const message = Buffer.alloc(100, 'm');
  const rounds = STRESS ? 300 : 60;
  for (let round = 0; round < rounds; round++) {
    for (const client of clients) client.write(message);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(() => performance.now() - from > 300, 'some time');
  const used = ((ticksOf(child.pid) - ticks) / TICKS_PER_SECOND / (performance.now() - from)) * 1000;
  expect(used, 'CPU while all are blocked').toBeLessThan(0.25);
  expect(residentBytes(child.pid) - bytes).toBeLessThan(4 * 1024 * KIB);

  child.process.stdin.write('open');
  for (const client of clients) await client.read(rounds * message.length);
  for (const holder of holders) await holder.read(1);
  await closeClients();
}, 60_000);

it.each(MODES)(
  '%s: a connection that never rests does not starve the quiet ones of its thread',
  async (mode) => {
    const { pool } = await openPool('streams', { minThreads: 1 });
    const hot = await listen(pool, 'sink', { mode });
    const quiet = await listen(pool, 'echo', { mode });
    const clients = await openClients(quiet, STRESS ? 1000 : 200);
    const pump = spawn('sh', ['-c', `exec nc 127.0.0.1 ${portOf(hot)} < /dev/zero`], { stdio: 'ignore' });
    afterTest(async () => {
      const ended = once(pump, 'exit');
      pump.kill('SIGKILL');
      if (pump.exitCode === null && pump.signalCode === null) await ended;
    });
    const handled = (): number => pool.stats().workers.reduce((sum, worker) => sum + worker.handled, 0);
    await until(() => handled() > 500, 'a flood');
    let slowest = 0;
    for (let round = 0; round < 3; round++) {
      for (const client of clients) {
        const from = performance.now();
        client.write('ping');
        expect((await client.read(4)).toString()).toBe('ping');
        slowest = Math.max(slowest, performance.now() - from);
      }
    }
    expect(slowest).toBeLessThan(1000);
  },
);

it.each([1, 2, 4])(
  '%i workers that look up every millisecond for no reason find nothing that was lost',
  async (minThreads) => {
    const { pool } = await openPool('streams', { minThreads, concurrency: minThreads, safetyTimeoutMs: 1 });
    const clients = await openClients(await listen(pool, 'echo'), 10);
    for (let round = 0; round < (STRESS ? 5000 : 150); round++) {
      const some = clients.filter((_, i) => (i * 7 + round) % 3 === 0);
      for (const client of some) client.write('ping');
      for (const client of some) await client.read(4);
      // Now and then they have the time to park and to look up.
      if (round % 10 === 0) {
        const from = performance.now();
        await until(() => performance.now() - from > 5, 'some time');
      }
    }
    // The guard checks that none was rescued.
    expect(pool.stats().workers.reduce((sum, worker) => sum + worker.parks, 0)).toBeGreaterThanOrEqual(
      minThreads === 1 ? 0 : 50,
    );
    await openClient(await listen(pool, 'echo'));
  },
);
