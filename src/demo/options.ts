/** Command line of the demo. */
import { parseArgs } from 'node:util';

export type DemoOptions = {
  readonly echo: number;
  readonly host: string;
  readonly threads: number | undefined;
  readonly concurrency: number | undefined;
  readonly maxConnections: number | undefined;
  readonly json: boolean;
  readonly statsIntervalMs: number;
};

export const USAGE = `usage: npm start -- [--echo PORT] [--host HOST] [--threads N] [--concurrency N]
                    [--max-connections N] [--json] [--stats-interval-ms N]

  --echo PORT              serve a TCP echo on PORT (default 7007; 0: any free port)
  --host HOST              address to listen on (default 127.0.0.1)
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
      threads: { type: 'string' },
      concurrency: { type: 'string' },
      'max-connections': { type: 'string' },
      json: { type: 'boolean', default: false },
      'stats-interval-ms': { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  return {
    echo: number('echo', values.echo, 0, 65535) ?? 7007,
    host: values.host,
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
