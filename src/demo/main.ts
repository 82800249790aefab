/** The demo: a TCP echo and a cache for clients of Redis on N threads, and a TCP proxy if asked for. */
import { lookup } from 'node:dns/promises';
import { MAX_COMMAND_BYTES } from '../../workers/resp/parser.ts';
import { createResp, obeyUnsafeCommands } from '../../workers/resp/setup.ts';
import { createPool, type Pool } from '../index.ts';
import { type DemoOptions, parseOptions, RESP_PORT, type Upstream, USAGE } from './options.ts';

type Place = { readonly host: string; readonly port: number };
type Places = { readonly echo: Place; readonly resp: Place; readonly proxy: Place | undefined };

const DRAIN_MS = 4000;
/** A client that makes a worker use up its memory is not to use up the machine's. */
const UNSAFE_HEAP_MB = 128;
/** A command that is not whole waits in the input, and what comes behind it. */
const MAX_INPUT: number = MAX_COMMAND_BYTES + 2 ** 20;

async function main(options: DemoOptions): Promise<void> {
  const { threads, concurrency } = options;
  const upstream = await addressOf(options.upstream);
  const resp = createResp(options.respMemory, options.unsafeCommands);
  if (options.unsafeCommands) obeyUnsafeCommands(resp);
  const pool = await createPool({
    handlers: new URL('../../workers/demo.js', import.meta.url),
    workerData: { upstream, resp },
    maxInput: MAX_INPUT,
    ...(options.unsafeCommands ? { resourceLimits: { maxOldGenerationSizeMb: UNSAFE_HEAP_MB } } : {}),
    ...(threads === undefined ? {} : { minThreads: threads }),
    ...(concurrency === undefined ? {} : { concurrency }),
  });
  const echo = await listen(pool, options, 'echo', options.echo);
  const cache = await listenResp(pool, options);
  const proxy = options.proxy === undefined ? undefined : await listen(pool, options, 'proxy', options.proxy);
  // Before the ready line: who has read it may send a signal at once.
  endOnSignals(pool);
  announce(options, pool, { echo, resp: cache, proxy });
  if (options.statsIntervalMs > 0) {
    setInterval(() => {
      console.log(options.json ? JSON.stringify({ stats: pool.stats() }) : summary(pool));
    }, options.statsIntervalMs).unref();
  }
}

/** Names are looked up once. */
async function addressOf(upstream: Upstream | undefined): Promise<Upstream | undefined> {
  if (upstream === undefined) return undefined;
  const { address } = await lookup(upstream.host);
  return { host: address, port: upstream.port };
}

async function listenResp(pool: Pool, options: DemoOptions): Promise<Place> {
  if (options.resp !== undefined) return listen(pool, options, 'resp', options.resp);
  return listen(pool, options, 'resp', RESP_PORT, 0);
}

async function listen(
  pool: Pool,
  options: DemoOptions,
  handler: keyof Places,
  port: number,
  otherwise?: number,
): Promise<Place> {
  const { host, maxConnections } = options;
  try {
    const server = await pool.listen({
      port,
      host,
      handler,
      // A proxy passes the end of one side on, and goes on with the other one.
      allowHalfOpen: handler === 'proxy',
      ...(maxConnections === undefined ? {} : { maxConnections }),
    });
    const address = server.address();
    return address.family === 'unix' ? { host, port } : { host: address.address, port: address.port };
  } catch (error) {
    const inUse = (error as { code?: unknown }).code === 'EADDRINUSE';
    if (inUse && otherwise !== undefined) return listen(pool, options, handler, otherwise);
    await pool.destroy();
    throw inUse ? new Error(`${host}:${port} is in use (EADDRINUSE); try --${handler} PORT`) : error;
  }
}

function announce(options: DemoOptions, pool: Pool, { echo, resp, proxy }: Places): void {
  const threads = pool.stats().workers.filter(({ state }) => state !== 'absent').length;
  const { pid } = process;
  if (options.json) {
    console.log(JSON.stringify({ ready: true, pid, threads, echo, resp, proxy }));
    return;
  }
  const { host, port } = echo;
  console.log(`wakeone: a TCP echo on ${host}:${port}, served by ${threads} worker threads (process ${pid})`);
  console.log(`wakeone: a cache that speaks the protocol of Redis on ${resp.host}:${resp.port}`);
  if (proxy !== undefined && options.upstream !== undefined)
    console.log(
      `wakeone: a TCP proxy on ${proxy.host}:${proxy.port}, to ${options.upstream.host}:${options.upstream.port}`,
    );
  console.log(`try:     nc ${host} ${port}          (type a line; Ctrl-C here drains and stops)`);
  console.log(`         redis-cli -h ${resp.host} -p ${resp.port} set a 1`);
}

function summary(pool: Pool): string {
  const { workers, registered, exclusivityViolations } = pool.stats();
  const handled = workers.map((worker) => `${worker.id}: ${worker.handled} (${worker.state})`).join(', ');
  return `${registered} registered; handled by worker ${handled}; violations ${exclusivityViolations}`;
}

/** Copies of one Ctrl-C: the terminal signals the whole process group, and npm passes it on as well. */
const SAME_SIGNAL_MS = 250;

/** The first signal drains and ends with 0, a second one ends at once. */
function endOnSignals(pool: Pool): void {
  let askedAt: number | undefined;
  const end = (): void => {
    const now = performance.now();
    if (askedAt === undefined) {
      askedAt = now;
      console.error('wakeone: draining; a second signal ends at once');
      void pool.close({ timeoutMs: DRAIN_MS }).then(() => process.exit(0));
    } else if (now - askedAt > SAME_SIGNAL_MS) {
      process.exit(1);
    }
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === 'help') console.log(USAGE);
  else await main(options);
} catch (error) {
  const unknown = String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS');
  const message = error instanceof Error ? error.message : String(error);
  console.error(`wakeone: ${message}${unknown ? '; --help lists the options' : ''}`);
  process.exitCode = 1;
}
