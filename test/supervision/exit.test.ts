/**
 * The process can always exit (G11), and is kept alive by an open pool exactly while it has registrations. Scenarios 74
 * (uncaught exception of the main thread), 76, 77.
 */
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../servers/deadline.ts';
import { STRESS } from '../servers/pools.ts';
import { type Child, runProgram } from './child.ts';

/** From the moment at which the process is told to end. */
const LIMIT_MS = 1000;
const children: Child[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill();
});

async function bringAbout(situation: string, threads: number): Promise<Child> {
  const child = runProgram('exits', situation, String(threads));
  children.push(child);
  await child.line('ready');
  return child;
}

const SITUATIONS = [
  ['a worker in epoll_wait and the others parked', 'idle'],
  ['connections open', 'open'],
  ['a handler that sleeps', 'blocked'],
  ['a handler that computes for ever', 'spinning'],
  ['an async handler that waits', 'asyncTimer'],
  ['an async handler that never rests', 'asyncSpinning'],
  ['workers that are still being started', 'loading'],
] as const;

/** With one thread and with several: alone it is the poller, or in the handler. */
const WAYS = [
  ['process.exit()', 'exit', { code: 7, signal: null }, 1],
  ['an uncaught exception', 'throw', { code: 1, signal: null }, 3],
  ['an unhandled rejection', 'reject', { code: 1, signal: null }, 1],
  ['SIGTERM', 'SIGTERM', { code: null, signal: 'SIGTERM' }, 3],
] as const;

describe.each(SITUATIONS)('with %s', (_, situation) => {
  it.each(WAYS)('the process is gone within a second after %s', async (_way, way, expected, threads) => {
    for (const number of STRESS ? [1, 2, 3, 4] : [threads]) {
      const child = await bringAbout(situation, number);
      const from = performance.now();
      if (way === 'SIGTERM') child.process.kill(way);
      else child.process.stdin.write(way);
      expect(await child.end(5000)).toEqual(expected);
      expect(performance.now() - from).toBeLessThan(LIMIT_MS);
      if (way === 'throw') expect(child.errors).toContain('Error: uncaught');
      if (way === 'reject') expect(child.errors).toContain('Error: unhandled');
    }
  });
});

describe.each(['quiet', 'busy'])('a Worker that has made a pool, which is %s', (situation) => {
  it.each(['terminate', 'exit', 'throw'])('can end (%s), and the pool with it', async (way) => {
    for (const threads of STRESS ? [1, 2, 3, 4] : [1, 3]) {
      const child = runProgram('nested', situation, String(threads), way);
      children.push(child);
      const told = /ended after (\d+) ms/.exec(await child.line('ended after'));
      expect(Number(told?.[1])).toBeLessThan(LIMIT_MS);
      expect(await child.end(5000)).toEqual({ code: 0, signal: null });
    }
  });
});

describe.each([1, 3])('a pool of %i threads', (threads) => {
  it.each([
    ['that has no registrations', 'idle'],
    ['whose last registration has ended', 'ended'],
    ['that is closed', 'closed'],
  ])('%s keeps no process alive', async (_, situation) => {
    const child = await bringAbout(situation, threads);
    const from = performance.now();
    child.process.stdin.write('natural');
    expect(await child.end(5000)).toEqual({ code: 0, signal: null });
    expect(performance.now() - from).toBeLessThan(LIMIT_MS);
    expect(child.errors).toBe('');
  });
});

describe('a pool that listens', () => {
  it('keeps its process alive without anything else, until a signal ends the demo in order', async () => {
    const child = runProgram('serves');
    children.push(child);
    const port = Number((await child.line('port ')).split(' ')[1]);
    // Time passes, the program has nothing to do.
    const from = performance.now();
    await until(() => performance.now() - from > 300 || child.exit !== undefined, 'some time');
    expect(child.exit).toBeUndefined();
    const socket = connect(port, '127.0.0.1');
    let echoed = '';
    socket.on('data', (chunk) => (echoed += chunk.toString()));
    socket.write('alive');
    await until(() => echoed === 'alive', 'the echo');
    // The last connection is the last registration once the server has closed: its end is the end.
    child.process.kill('SIGUSR2');
    await child.line('server closed');
    socket.write('?');
    await until(() => echoed === 'alive?', 'the echo');
    expect(child.exit).toBeUndefined();
    socket.end();
    expect(await child.end(5000)).toEqual({ code: 0, signal: null });
    expect(child.errors).toBe('');
  });
});

describe('what handlers have printed', () => {
  it('is not lost when the pool ends right after it', async () => {
    const child = runProgram('prints');
    children.push(child);
    expect(await child.end(10_000)).toEqual({ code: 0, signal: null });
    for (const item of [1, 2]) {
      const lines = child.lines.filter((line) => line.startsWith(`item ${item} `));
      expect(lines).toEqual(Array.from({ length: 20 }, (_, i) => `item ${item} line ${i + 1}`));
    }
  });
});

describe('an exit while a thread loads the package', () => {
  it('waits for that thread, which would end the process with SIGABRT, and begins no other', async () => {
    const child = runProgram('leaves-early');
    children.push(child);
    await child.line('loading');
    child.process.stdin.write('exit');
    expect(await child.end(5000)).toEqual({ code: 7, signal: null });
    expect(child.lines).toEqual(['loading', 'loaded', 'exit']);
    expect(child.errors).toBe('');
  });
});
