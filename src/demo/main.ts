/** The demo: a TCP echo server on N threads. */
import { createPool, type Pool, type Server } from '../index.ts';
import { type DemoOptions, parseOptions, USAGE } from './options.ts';

const DRAIN_MS = 4000;

async function main(options: DemoOptions): Promise<void> {
  const { threads, concurrency, maxConnections } = options;
  const pool = await createPool({
    handlers: new URL('../../workers/echo.js', import.meta.url),
    ...(threads === undefined ? {} : { minThreads: threads }),
    ...(concurrency === undefined ? {} : { concurrency }),
  });
  const server = await pool
    .listen({
      port: options.echo,
      host: options.host,
      handler: 'echo',
      ...(maxConnections === undefined ? {} : { maxConnections }),
    })
    .catch(async (error: unknown) => {
      await pool.destroy();
      const inUse = (error as { code?: unknown }).code === 'EADDRINUSE';
      throw inUse
        ? new Error(`${options.host}:${options.echo} is in use (EADDRINUSE); try --echo PORT`)
        : error;
    });
  // Before the ready line: who has read it may send a signal at once.
  endOnSignals(pool);
  announce(options, pool, server);
  if (options.statsIntervalMs > 0) {
    setInterval(() => {
      console.log(options.json ? JSON.stringify({ stats: pool.stats() }) : summary(pool));
    }, options.statsIntervalMs).unref();
  }
}

function announce(options: DemoOptions, pool: Pool, server: Server): void {
  const address = server.address();
  if (address.family === 'unix') return;
  const { address: host, port } = address;
  const threads = pool.stats().workers.filter(({ state }) => state !== 'absent').length;
  if (options.json) {
    console.log(JSON.stringify({ ready: true, pid: process.pid, threads, echo: { host, port } }));
    return;
  }
  console.log(
    `wakeone: a TCP echo on ${host}:${port}, served by ${threads} worker threads (process ${process.pid})`,
  );
  console.log(`try:     nc ${host} ${port}          (type a line; Ctrl-C here drains and stops)`);
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
  console.error(`wakeone: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
