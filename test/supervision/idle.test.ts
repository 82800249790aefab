/**
 * A pool that has been idle for 100 ms makes no system call and no wake-up (G6): a thread that neither switches nor uses
 * the CPU makes none. Scenarios 67 (idle workers sleep), 94, and of the issue: no system call after 100 ms of idleness.
 */
import { connect, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { until } from '../servers/deadline.ts';
import { STRESS } from '../servers/pools.ts';
import { type Child, runProgram } from './child.ts';
import { type Activity, activityOf, ranBetween } from './threads.ts';

const IDLE_MS = 100;
const WATCH_MS = STRESS ? 10_000 : 500;

type Ports = Readonly<Record<'echo' | 'awaits' | 'starts' | 'pends' | 'sleeps', number>>;

async function pass(ms: number): Promise<void> {
  const from = performance.now();
  await until(() => performance.now() - from >= ms, 'some time', ms + 5000);
}

async function ask(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  let answered = false;
  socket.once('data', () => (answered = true));
  socket.on('error', () => {});
  socket.write('x');
  await until(() => answered, 'an answer');
  return socket;
}

async function expectQuiet(child: Child, threads: readonly number[], when: string): Promise<void> {
  const look = (): Activity[] => activityOf(child.pid).filter(({ tid }) => threads.includes(tid));
  let before: Activity[] = [];
  // On a busy machine a thread waits for a CPU meanwhile. Once all of them have slept for so long, it is for good.
  for (let round = 0; round < 20; round++) {
    const earlier = look();
    await pass(IDLE_MS);
    before = look();
    if (before.every(({ sleeps }) => sleeps) && ranBetween(earlier, before).length === 0) break;
  }
  await pass(WATCH_MS);
  const after = look();
  expect(before.length, 'threads of the pool').toBe(threads.length);
  expect(ranBetween(before, after), `threads that ran ${when}`).toEqual([]);
}

it.concurrent.each([1, 2, 4])('a pool of %i threads that is idle does nothing at all', async (threads) => {
  const child = runProgram('idles', String(threads));
  const sockets: Socket[] = [];
  try {
    const said = JSON.parse(await child.line('ports')) as { ports: Ports; threads: number[] };
    const { ports } = said;
    // The workers, and a monitor if they are several.
    expect(said.threads.length).toBe(threads === 1 ? 1 : threads + 1);
    const quiet = (when: string): Promise<void> => expectQuiet(child, said.threads, when);

    await quiet('before the first connection');
    for (let i = 0; i < (STRESS ? 1000 : 200); i++) sockets.push(await ask(ports.echo));
    await quiet('beside idle connections');
    for (let i = 0; i < 5; i++) sockets.push(await ask(ports.awaits), await ask(ports.starts));
    await quiet('after timers and I/O of handlers were over');
    for (let i = 0; i < 4; i++) sockets.push(await ask(ports.pends));
    await quiet('while async handlers wait for nothing');
    for (let i = 0; i < 4; i++) sockets.push(await ask(ports.sleeps));
    await quiet('while async handlers wait for timers that are far away');
    await ask(ports.echo).then((socket) => sockets.push(socket));
    await quiet('after one more request');
    expect(child.errors).toBe('');
  } finally {
    for (const socket of sockets) socket.destroy();
    child.kill();
  }
});

it('a low rate of requests is served by one worker, and the others sleep', async () => {
  const child = runProgram('idles', '4');
  try {
    const { ports } = JSON.parse(await child.line('ports')) as { ports: Ports };
    const socket = await ask(ports.echo);
    const stats = async (): Promise<{ handled: number; parks: number }[]> => {
      const seen = child.lines.length;
      child.process.stdin.write('stats');
      await until(() => child.lines.length > seen, 'the statistics');
      return (JSON.parse(child.lines.at(-1) ?? '') as { workers: { handled: number; parks: number }[] })
        .workers;
    };
    let answers = 0;
    let goal = 0;
    socket.on('data', () => {
      if (++answers < goal) socket.write('x');
    });
    // Rounds, and their median: a worker that the kernel leaves without a CPU for two ticks is rightly relieved by another.
    const rounds = STRESS ? 100 : 21;
    const requests = 50;
    const shares: number[] = [];
    let parked = 0;
    for (let round = 0; round < rounds; round++) {
      const before = await stats();
      goal += requests;
      socket.write('x');
      await until(() => answers === goal, 'all answers');
      const after = await stats();
      const handled = after.map((worker, i) => worker.handled - (before[i]?.handled ?? 0));
      // An answer is on its way before its handler is counted.
      const total = handled.reduce((sum, count) => sum + count, 0);
      expect(Math.abs(total - requests)).toBeLessThanOrEqual(1);
      shares.push(Math.max(...handled) / total);
      parked += after.reduce((sum, worker, i) => sum + worker.parks - (before[i]?.parks ?? 0), 0);
    }
    expect(shares.toSorted((a, b) => a - b)[Math.floor(rounds / 2)]).toBeGreaterThanOrEqual(0.95);
    // Last in, first out: who sleeps goes on to sleep.
    expect(parked).toBeLessThan(rounds * requests * 0.1);
    socket.destroy();
  } finally {
    child.kill();
  }
});
