/**
 * A flood on one connection, and what the others feel of it: against a C server under the same flood, in the same run; and
 * with handlers that take one message a call. Scenarios 69, 93.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openClient, portOf } from './client.ts';
import { until } from './deadline.ts';
import { buildLoad, hasCompiler, runLoad, startEcho } from './load-program.ts';
import { afterTest, guardPools, listen, openPool, STRESS } from './pools.ts';

const ROUNDS = STRESS ? 15 : 5;
/** Counters of the handlers. */
const ARRIVED = 1;
const GATE = 2;
const GATE_AT = 0xffffffff;
const REQUESTS = STRESS ? 20_000 : 4000;

guardPools();

type Pump = { readonly written: () => number; readonly end: () => Promise<void> };

/** A client that sends zeros for ever, and takes whatever comes back. */
async function openPump(port: number): Promise<Pump> {
  const command = `exec nc 127.0.0.1 ${port} < /dev/zero > /dev/null`;
  const child = spawn('sh', ['-c', command], { stdio: 'ignore' });
  const over = once(child, 'exit');
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await over;
  };
  afterTest(end);
  const written = (): number => {
    const counts = readFileSync(`/proc/${child.pid}/io`, 'utf8');
    return Number(/^wchar: (\d+)$/m.exec(counts)?.[1] ?? 0);
  };
  await until(() => written() > 1 << 22, 'a flood');
  return { written, end };
}

type Felt = { readonly p99: number; readonly mibPerSecond: number };

/** What others feel of a flood: the 99th percentile of their requests, in microseconds. */
async function underFlood(port: number): Promise<Felt> {
  const pump = await openPump(port);
  const [bytes, from] = [pump.written(), performance.now()];
  const load = await runLoad('--port', port, '--connections', 16, '--requests', REQUESTS, '--warmup', 500);
  const seconds = (performance.now() - from) / 1000;
  const mibPerSecond = (pump.written() - bytes) / 2 ** 20 / seconds;
  await pump.end();
  return { p99: load['p99us'] ?? Infinity, mibPerSecond };
}

function message(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(number);
  return bytes;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;

describe.skipIf(!hasCompiler)('beside a C server (skipped without gcc, which makes it)', () => {
  buildLoad();

  // Which of the five threads and processes has one of two CPUs decides most of such a percentile, in both servers: hence
  // medians, and a margin. Measured on a quiet machine: 2.2 ms here, 1.8 ms there.
  it.each([1, 2])('%i threads: a flood costs the others about what it does there', async (threads) => {
    const { pool } = await openPool('fairness', { minThreads: threads });
    const server = await listen(pool, 'echo');
    const other = await startEcho('echo-oneshot', '--threads', threads);
    const ours: Felt[] = [];
    const theirs: Felt[] = [];
    try {
      await underFlood(portOf(server));
      for (let round = 0; round < ROUNDS; round++) {
        theirs.push(await underFlood(other.port));
        ours.push(await underFlood(portOf(server)));
      }
    } finally {
      await other.end();
    }
    const p99 = (felt: readonly Felt[]): number => median(felt.map((one) => one.p99));
    const seen = JSON.stringify({ ours, theirs });
    expect(p99(ours), seen).toBeLessThan(p99(theirs) * 2 + 2000);
    // And the flood itself is served.
    expect(median(ours.map((one) => one.mibPerSecond)), seen).toBeGreaterThan(10);
  });
});

it('one thread: a client with very many messages in its packets does not keep the others waiting', async () => {
  const { pool, journal } = await openPool('fairness', { minThreads: 1 });
  const server = await listen(pool, 'single');
  const flooder = await openClient(server);
  const other = await openClient(server);
  // The worker stands still at the first message of the flood while all else arrives.
  flooder.write(message(GATE_AT));
  await journal.untilCounted(ARRIVED, 1);
  const most = 10_000;
  for (let i = 0; i < most; i++) flooder.write(message(i));
  other.write(message(most));
  await until(() => flooder.socket.writableLength + other.socket.writableLength === 0, 'all on its way');
  journal.set(GATE, 1);
  const answer = await other.read(8);
  expect(answer.readUInt32BE(0)).toBe(most);
  // Its place in the order of all answers: behind two turns of the flood at most, each of eight messages.
  expect(answer.readUInt32BE(4)).toBeLessThan(1 + 3 * 8);
  const rest = await flooder.read(8 * (1 + most));
  for (let i = 0; i < most; i++) expect(rest.readUInt32BE(8 * (1 + i))).toBe(i);
});
