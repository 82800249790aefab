/** Command line of the demo. */
import { parseArgs } from 'node:util';
import { MAX_STORE_BYTES, MIN_STORE_BYTES } from '../../workers/resp/layout.ts';

export type Upstream = { readonly host: string; readonly port: number };

export type DemoOptions = {
  readonly echo: number;
  readonly host: string;
  /** Port of the proxy, and where it connects to: both or none. */
  readonly proxy: number | undefined;
  readonly upstream: Upstream | undefined;
  /** Port of the cache; undefined: the usual one, or any if that is taken. Then the bytes that it may keep. */
  readonly resp: number | undefined;
  readonly respMemory: number;
  /** Whether clients of the cache may do harm on purpose. */
  readonly unsafeCommands: boolean;
  readonly threads: number | undefined;
  readonly concurrency: number | undefined;
  readonly maxConnections: number | undefined;
  readonly json: boolean;
  readonly statsIntervalMs: number;
};

export const RESP_PORT = 7379;
const RESP_BYTES: number = 64 * 2 ** 20;

export const USAGE: string = `usage: npm start -- [--echo PORT] [--resp PORT] [--host HOST]
                    [--proxy PORT --upstream HOST:PORT] [--resp-memory BYTES]
                    [--threads N] [--concurrency N] [--max-connections N]
                    [--json] [--stats-interval-ms N]

  --echo PORT              serve a TCP echo on PORT (default 7007; 0: any free port)
  --host HOST              address to listen on (default 127.0.0.1)
  --proxy PORT             serve a TCP proxy on PORT too (0: any free port)
  --upstream HOST:PORT     where the proxy connects to
  --resp PORT              serve a cache for clients of Redis on PORT (default 7379 if it
                           is free, and not with --echo 0; 0: any free port)
  --resp-memory BYTES      memory for its keys and values (default ${RESP_BYTES})
  --unsafe-commands        its clients may crash and stop the server: DEBUG CRASH, SPIN, PROCESS-EXIT
  --threads N              worker threads (default: the CPUs)
  --concurrency N          workers that run at once (default: the CPUs, at most the threads)
  --max-connections N      connections open at once (default: any number)
  --json                   one JSON object a line on standard output
  --stats-interval-ms N    print statistics every N milliseconds (default: never)
`;

/** @throws Error that says which option is wrong */
export function parseOptions(args: readonly string[]): DemoOptions | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      echo: { type: 'string', default: '7007' },
      host: { type: 'string', default: '127.0.0.1' },
      proxy: { type: 'string' },
      upstream: { type: 'string' },
      resp: { type: 'string' },
      'resp-memory': { type: 'string' },
      'unsafe-commands': { type: 'boolean', default: false },
      threads: { type: 'string' },
      concurrency: { type: 'string' },
      'max-connections': { type: 'string' },
      json: { type: 'boolean', default: false },
      'stats-interval-ms': { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const proxy = number('proxy', values.proxy, 0, 65535);
  const upstream = hostAndPort('upstream', values.upstream);
  if ((proxy === undefined) !== (upstream === undefined))
    throw new Error('--proxy and --upstream are given together or not at all');
  const echo = number('echo', values.echo, 0, 65535) ?? 7007;
  return {
    echo,
    host: values.host,
    proxy,
    upstream,
    resp: number('resp', values.resp, 0, 65535) ?? (echo === 0 ? 0 : undefined),
    respMemory: number('resp-memory', values['resp-memory'], MIN_STORE_BYTES, MAX_STORE_BYTES) ?? RESP_BYTES,
    unsafeCommands: values['unsafe-commands'],
    threads: number('threads', values.threads, 1, 32),
    concurrency: number('concurrency', values.concurrency, 1, 32),
    maxConnections: number('max-connections', values['max-connections'], 1, 2 ** 20 - 1),
    json: values.json,
    statsIntervalMs: number('stats-interval-ms', values['stats-interval-ms'], 1, 2 ** 31 - 1) ?? 0,
  };
}

function number(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Error(`--${name} must be an integer from ${least} to ${most}; got '${text}'`);
}

function hostAndPort(name: string, text: string | undefined): Upstream | undefined {
  if (text === undefined) return undefined;
  // An IPv6 address may be in brackets.
  const [, bracketed, plain, port = ''] = /^(?:\[(.+)\]|(.+)):(\d+)$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) throw new Error(`--${name} must be HOST:PORT; got '${text}'`);
  return { host, port: number(name, port, 1, 65535) ?? 0 };
}
