/**
 * No descriptors left: accepting pauses without a loop that spins, what is open goes on, and service resumes by itself.
 * Scenario 80.
 */
import { connect, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { until } from '../servers/deadline.ts';
import { Child } from './child.ts';
import { activityOf } from './threads.ts';

const LIMIT = 96;
const CLIENTS = 80;
const TICKS_PER_SECOND = 100;

type Ports = Readonly<Record<'echo' | 'timers' | 'sleeps', number>>;
const children: Child[] = [];
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const child of children.splice(0)) child.kill();
});

class Asker {
  readonly socket: Socket;
  answers = 0;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (chunk) => (this.answers += chunk.length));
    this.socket.on('error', () => {});
    sockets.push(this.socket);
    this.socket.write('x');
  }

  async ask(): Promise<void> {
    const before = this.answers;
    this.socket.write('x');
    await until(() => this.answers > before, 'an answer');
  }
}

async function startStarving(threads: number): Promise<{ readonly child: Child; readonly ports: Ports }> {
  const program = new URL('programs/starves.mjs', import.meta.url).pathname;
  const child = new Child('sh', [
    '-c',
    `ulimit -n ${LIMIT}; exec "$0" "$@"`,
    process.execPath,
    program,
    String(threads),
  ]);
  children.push(child);
  const { ports } = JSON.parse(await child.line('ports')) as { ports: Ports };
  return { child, ports };
}

/** Share of one CPU that the process uses for a while. */
async function cpuShare(pid: number, ms: number): Promise<number> {
  const ticks = (): number => activityOf(pid).reduce((sum, activity) => sum + activity.ticks, 0);
  const before = ticks();
  const from = performance.now();
  await until(() => performance.now() - from >= ms, 'some time');
  return ((ticks() - before) / TICKS_PER_SECOND / (performance.now() - from)) * 1000;
}

const pauses = (child: Child): number => child.lines.filter((line) => line.includes('paused')).length;

it.each([1, 2])(
  'a pool of %i threads without descriptors pauses accepting and resumes by itself',
  async (threads) => {
    const { child, ports } = await startStarving(threads);
    const clients = Array.from({ length: CLIENTS }, () => new Asker(ports.echo));
    await child.line('"code":"EMFILE","syscall":"accept4"');
    const { stats } = await ask(child);
    // Beside the three listeners.
    const accepted = Number(stats['registered']) - 3;
    const answered = (): Asker[] => clients.filter((client) => client.answers === 1);
    await until(() => answered().length >= accepted, 'their answers');
    const served = answered();
    expect(served.length).toBeGreaterThan(0);
    expect(served.length).toBeLessThan(LIMIT);

    // It waits: no loop, few messages; who is served goes on being served.
    const before = pauses(child);
    expect(await cpuShare(child.pid, 500)).toBeLessThan(0.3);
    expect(pauses(child) - before).toBeLessThanOrEqual(8);
    for (const client of served.slice(0, 5)) await client.ask();

    // Room, by and by: all of them get their answer.
    while (clients.some((client) => client.answers === 0)) {
      const done = clients.filter((client) => client.answers > 0 && !client.socket.destroyed);
      expect(done.length).toBeGreaterThan(0);
      const waiting = clients.filter((client) => client.answers === 0);
      for (const client of done) client.socket.destroy();
      await until(() => waiting.some((client) => client.answers > 0), 'a further connection');
    }
    expect((await ask(child)).stats).toMatchObject({ exclusivityViolations: 0, rescuedWakeups: 0 });
    expect(child.errors).toBe('');
  },
);

it.each([1, 2])('handlers of %i threads may await timers although no descriptor is left', async (threads) => {
  const { child, ports } = await startStarving(threads);
  const sleeper = new Asker(ports.sleeps);
  const waiter = new Asker(ports.timers);
  // Before the others: each listener accepts in its own turn. Three of them, and these two.
  while (Number((await ask(child)).stats['registered']) < 5);
  const clients = Array.from({ length: CLIENTS }, () => new Asker(ports.echo));
  await child.line('"code":"EMFILE","syscall":"accept4"');
  await until(() => sleeper.answers === 1, 'the answer of the sleeper');
  expect(await cpuShare(child.pid, 500)).toBeLessThan(0.3);
  for (let i = 0; i < 5; i++) {
    const served = clients.find((client) => client.answers > 0);
    await served?.ask();
  }
  await until(() => waiter.answers === 1, 'the answer of the one that awaits timers');
  for (let i = 0; i < 5; i++) await waiter.ask();
  expect(child.errors).toBe('');
});

async function ask(child: Child): Promise<{ readonly stats: Record<string, unknown> }> {
  const answers = (): string[] => child.lines.filter((line) => line.includes('"stats"'));
  const before = answers().length;
  child.process.stdin.write('stats');
  await until(() => answers().length > before, 'the statistics');
  return JSON.parse(answers().at(-1) ?? '') as { readonly stats: Record<string, unknown> };
}
