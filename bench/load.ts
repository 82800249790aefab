import { numberIn, parseJsonLine } from './json-line.ts';
import type { Programs } from './native-build.ts';
import { toArguments } from './options.ts';
import { type Child, runToEnd, startChild } from './process.ts';
import type { Server } from './server.ts';

export interface RequestLoad {
  readonly connections: number;
  readonly requests: number;
  readonly warmup: number;
  readonly size: number;
  /** Requests that each connection keeps outstanding. */
  readonly depth: number;
  /** One request in so many asks for work; undefined: none does. */
  readonly workEvery?: number;
}

/** What the load generator measured; every echoed byte was right, or there is no result. */
export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  /** CPU time of the server's processes during the measured requests only. */
  readonly serverCpuSeconds: number;
  readonly loadCpuSeconds: number;
  /** Latencies of the requests that ask for no work. */
  readonly p50us: number;
  readonly p99us: number;
  readonly p999us: number;
  readonly maxus: number;
  /** Those of the requests that do. */
  readonly workP50us: number;
  readonly workP99us: number;
  /** Wall clock, seconds since the epoch. */
  readonly beganAt: number;
  readonly endedAt: number;
}

const maxSeconds = 600;
const pumpingMs = 200;

/** Connections that are open and silent until `end()`. */
export interface IdleConnections {
  /** Closes them; rejects if one was not left alone. */
  end(): Promise<void>;
}

function target({ host, port }: Server): Record<string, string | number> {
  return { host, port, 'max-seconds': maxSeconds };
}

export async function runRequests(
  programs: Programs,
  server: Server,
  load: RequestLoad,
): Promise<LoadResult> {
  const { workEvery = 0, ...amounts } = load;
  const child = await run(programs, server, {
    ...amounts,
    'work-every': workEvery,
    'cpu-of': server.pids.join(','),
  });
  const line = lastLine(child);
  return {
    requests: numberIn(line, 'requests'),
    seconds: numberIn(line, 'seconds'),
    serverCpuSeconds: numberIn(line, 'serverCpuSeconds'),
    loadCpuSeconds: numberIn(line, 'loadCpuSeconds'),
    p50us: numberIn(line, 'p50us'),
    p99us: numberIn(line, 'p99us'),
    p999us: numberIn(line, 'p999us'),
    maxus: numberIn(line, 'maxus'),
    workP50us: numberIn(line, 'workP50us'),
    workP99us: numberIn(line, 'workP99us'),
    beganAt: numberIn(line, 'beganAt'),
    endedAt: numberIn(line, 'endedAt'),
  };
}

/**
 * Proves the server right: both directions at once, chunks of random size, every buffer on the way full for some
 * connections, half-close, all bytes equal.
 */
export async function proveRight(programs: Programs, server: Server): Promise<void> {
  const bytes = 16 * 1024 * 1024; // more than the kernel's buffers of a connection hold
  const connections = 4;
  const line = lastLine(await run(programs, server, { connections, transfer: bytes, seed: Date.now() }));
  if (numberIn(line, 'bytesReceived') !== bytes * connections) {
    throw new Error(`${server.name} echoed too little: ${JSON.stringify(line)}`);
  }
}

/** Opens connections, proves each with one echo, and leaves them open. */
export async function openIdle(
  programs: Programs,
  server: Server,
  connections: number,
): Promise<IdleConnections> {
  const args = [...toArguments({ ...target(server), connections }), '--idle'];
  const child = await startChild({ name: `load on ${server.name}`, file: programs.load, args });
  await child.waitFor('idle connections', maxSeconds * 1000, () =>
    child.lines.find((line) => line.includes('"idle":true')),
  );
  return {
    end: async () => {
      child.closeStdin();
      const exit = await child.exited;
      if (exit.code !== 0) throw child.failure('failed');
    },
  };
}

/** More than can be sent while anything is measured. */
const endlessly = 2 ** 50;

/** Opens connections that send without end and read what comes back, until `end()`. */
export async function openPumps(
  programs: Programs,
  server: Server,
  connections: number,
): Promise<{ end(): Promise<void> }> {
  // One process each: of several connections in one, every second reads only when nothing else moves.
  const args = toArguments({ ...target(server), connections: 1, transfer: endlessly });
  const pumps = await Promise.all(
    Array.from({ length: connections }, () =>
      startChild({ name: `pump on ${server.name}`, file: programs.load, args }),
    ),
  );
  // They say nothing before their end.
  await new Promise((resolve) => setTimeout(resolve, pumpingMs));
  return {
    end: async () => {
      for (const pump of pumps) {
        const exit = await pump.end();
        if (exit.signal !== 'SIGTERM') throw pump.failure('did not pump to the end');
      }
    },
  };
}

function run(
  programs: Programs,
  server: Server,
  options: Readonly<Record<string, string | number>>,
): Promise<Child> {
  const args = toArguments({ ...target(server), ...options });
  return runToEnd({ name: `load on ${server.name}`, file: programs.load, args }, (maxSeconds + 10) * 1000);
}

function lastLine(child: Child): Record<string, unknown> {
  const line = parseJsonLine(child.lines.at(-1) ?? '');
  if (line === undefined) throw child.failure('printed no result');
  return line;
}
