import { parseJsonLine } from './json-line.ts';
import { type Child, type Command, startChild } from './process.ts';

const readyTimeoutMs = 20_000;

/** An echo server that accepts connections. */
export interface Server {
  readonly name: string;
  /** Its first process: the one that is ended. */
  readonly pid: number;
  /** All its processes: the CPU time of a server is theirs together. */
  readonly pids: readonly number[];
  readonly host: string;
  readonly port: number;
  /** Ends it with SIGTERM. Rejects unless it exits with 0 in time: a server that doesn't end is not right. */
  stop(): Promise<void>;
}

/** Starts a server and waits for its line `{"ready":true,"pid":…,"pids":[…]?,"echo":{"host":…,"port":…}}`. */
export async function startServer(command: Command): Promise<Server> {
  const child = await startChild(command);
  let seen = 0;
  try {
    return await child.waitFor('ready line', readyTimeoutMs, () => {
      for (; seen < child.lines.length; seen++) {
        const server = readReadyLine(child, child.lines[seen] ?? '');
        if (server !== undefined) return server;
      }
      return undefined;
    });
  } catch (error) {
    await child.end();
    throw error;
  }
}

/** Starts a server, uses it, and stops it whatever happens. */
export async function withServer<Result>(
  command: Command,
  use: (server: Server) => Promise<Result>,
): Promise<Result> {
  const server = await startServer(command);
  let result: Result;
  try {
    result = await use(server);
  } catch (error) {
    await server.stop().catch(() => {}); // the first error says more
    throw error;
  }
  await server.stop();
  return result;
}

/** The same with several that run at the same time. */
export async function withServers<Result>(
  commands: readonly Command[],
  use: (servers: readonly Server[]) => Promise<Result>,
): Promise<Result> {
  const [first, ...rest] = commands;
  if (first === undefined) return use([]);
  return withServer(first, (server) => withServers(rest, (others) => use([server, ...others])));
}

function readReadyLine(child: Child, line: string): Server | undefined {
  const fields = parseJsonLine(line);
  if (fields?.['ready'] !== true) return undefined;
  const { pid, pids, echo } = fields;
  const { host, port } = (typeof echo === 'object' && echo !== null ? echo : {}) as Record<string, unknown>;
  if (typeof pid !== 'number' || typeof host !== 'string' || typeof port !== 'number') {
    throw child.failure(`its ready line lacks pid, host or port: ${line}`);
  }
  const all = Array.isArray(pids) ? pids.map(Number) : [pid];
  return { name: child.name, pid, pids: all, host, port, stop: () => stop(child) };
}

async function stop(child: Child): Promise<void> {
  const exit = await child.end();
  if (exit.code !== 0) throw child.failure('SIGTERM did not end it with code 0');
}
