/**
 * Time that does not pass as it should: a process that is stopped, a monitor that dies; and a pool that only waits. Scenarios
 * 55 (SIGSTOP for three seconds and SIGCONT: one late delivery, not many), 67 and of the issue: an idle pool makes no system
 * call, although it has timeouts.
 */
import { connect, type Socket } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { until } from '../servers/deadline.ts';
import { STRESS } from '../servers/pools.ts';
import { type Child, runProgram } from './child.ts';
import { activityOf, ranBetween } from './threads.ts';

type Said = {
  readonly on: string;
  readonly at: number;
  readonly value: number;
  readonly cookie: number;
  readonly kind?: string;
  readonly port: number;
  readonly made: number;
  readonly tids: readonly number[];
};

const now = (): number => Number(process.hrtime.bigint()) / 1e6;
const children: Child[] = [];
const sockets: Socket[] = [];

// Not after each: they run at the same time.
afterAll(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const child of children.splice(0)) child.kill();
});

async function start(threads: number): Promise<Child> {
  const child = runProgram('times', String(threads));
  children.push(child);
  await child.line('"ready"');
  return child;
}

const tell = (child: Child, command: string): void => void child.process.stdin.write(`${command}\n`);
const heard = (child: Child, on: string): Said[] =>
  child.lines.map((line) => JSON.parse(line) as Said).filter((said) => said.on === on);

async function hear(child: Child, on: string, least = 1): Promise<Said[]> {
  await until(
    () => heard(child, on).length >= least,
    () => `${least} of '${on}': ${child.output}${child.errors}`,
  );
  return heard(child, on);
}

async function pass(ms: number): Promise<void> {
  const from = performance.now();
  await until(() => performance.now() - from >= ms, 'some time', ms + 5000);
}

/** A connection that has been answered, and when that was at the latest. */
async function ask(port: number): Promise<{ readonly socket: Socket; readonly at: number }> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  sockets.push(socket);
  let answered = false;
  socket.once('data', () => (answered = true));
  const at = now();
  socket.write('x');
  await until(() => answered, 'an answer');
  return { socket, at };
}

it.concurrent.each([1, 3])(
  'a process of %i threads that was stopped for three seconds has one late delivery of each, not many (55)',
  async (threads) => {
    const child = await start(threads);
    tell(child, 'serve 1500');
    const [{ port } = { port: 0 }] = await hear(child, 'port');
    tell(child, 'beat 50');
    await hear(child, 'beat', 3);
    const silent = await ask(port);
    const busy = await ask(port);
    tell(child, 'once 1000');
    await pass(100);
    child.process.kill('SIGSTOP');
    // Each thread goes on until the signal has reached it.
    await until(() => activityOf(child.pid).every(({ stopped }) => stopped), 'all threads to stop');
    // It comes while nobody can take it.
    busy.socket.write('y');
    await pass(3000);
    const before = heard(child, 'beat').length;
    const continued = now();
    child.process.kill('SIGCONT');
    await hear(child, 'close', 2);
    await hear(child, 'beat', before + 10);
    const beats = heard(child, 'beat').slice(before);
    expect(Math.max(...beats.map(({ value }) => value))).toBeGreaterThanOrEqual(50);
    const elapsedMs = (beats.at(-1)?.at ?? 0) - continued;
    expect(beats.length).toBeLessThanOrEqual(2 + elapsedMs / 50);
    expect(heard(child, 'once')).toEqual([expect.objectContaining({ value: 1 })]);
    const closes = heard(child, 'close');
    expect(closes.map(({ kind }) => kind)).toEqual(['idle', 'idle']);
    expect((closes[0]?.at ?? 0) - silent.at).toBeGreaterThanOrEqual(1500);
    // What came before the process went on ends the silence, whoever looks first.
    const last = heard(child, 'data').at(-1)?.at ?? 0;
    expect(last).toBeGreaterThan(continued);
    expect((closes[1]?.at ?? 0) - last).toBeGreaterThanOrEqual(1500);
    expect(child.errors).toBe('');
  },
);

describe('the death of the monitor', () => {
  it.concurrent.each([1, 3])('loses no timer, in a pool of %i threads', async (threads) => {
    const child = await start(threads);
    tell(child, 'serve 1200');
    const [{ port } = { port: 0 }] = await hear(child, 'port');
    const from = now();
    for (const ms of [200, 700, 1200, 2000]) tell(child, `once ${ms}`);
    tell(child, 'beat 100');
    await hear(child, 'beat', 2);
    const silent = await ask(port);
    tell(child, 'threads');
    const [{ made } = { made: 0 }] = await hear(child, 'threads');
    for (let deaths = 1; deaths <= (STRESS ? 5 : 2); deaths++) {
      tell(child, 'kill');
      await hear(child, 'killed', deaths);
      // While there is none.
      tell(child, 'once 250');
      const beats = heard(child, 'beat').length;
      await hear(child, 'beat', beats + 3);
    }
    const fired = await hear(child, 'once', STRESS ? 9 : 6);
    for (const { at, cookie } of fired) expect(at - from).toBeGreaterThanOrEqual(cookie);
    const [close] = await hear(child, 'close');
    expect(close?.kind).toBe('idle');
    expect((close?.at ?? 0) - silent.at).toBeGreaterThanOrEqual(1200);
    tell(child, 'threads');
    expect((await hear(child, 'threads', 2))[1]?.made).toBe(made + (STRESS ? 5 : 2));
    expect(child.errors).toBe('');
  });
});

it.concurrent.each([1, 3])(
  'an idle pool of %i threads that waits for far timeouts does nothing at all',
  async (threads) => {
    const child = await start(threads);
    tell(child, 'serve 600000');
    const [{ port } = { port: 0 }] = await hear(child, 'port');
    for (const ms of [600_000, 2 ** 30]) tell(child, `once ${ms}`);
    tell(child, 'beat 500000');
    for (let i = 0; i < 20; i++) await ask(port);
    // By then the monitor has begun, which a pool of one thread gets with its first timeout.
    tell(child, 'once 1');
    await hear(child, 'once');
    tell(child, 'threads');
    const [said] = await hear(child, 'threads');
    const tids = said?.tids ?? [];
    // With the monitor, and whatever thread answers `terminate()` and the like.
    expect(tids.length).toBeGreaterThanOrEqual(threads + 1);
    await pass(150);
    const active = (): ReturnType<typeof activityOf> =>
      activityOf(child.pid).filter(({ tid }) => tids.includes(tid));
    const before = active();
    await pass(STRESS ? 10_000 : 800);
    expect(ranBetween(before, active())).toEqual([]);
  },
);
