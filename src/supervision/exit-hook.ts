/**
 * The process can always exit (G11). `process.exit()`, an uncaught exception and a natural end wait for the worker
 * threads, and those cannot end while they are inside epoll_wait. So when the main thread exits, every pool is stopped:
 * the level-triggered stop descriptor ends waits in the kernel, also those that begin after this. Threads that are still
 * loading are waited for: terminated now, they would end the process with SIGABRT.
 */
export type Stoppable = { stopThreads(): void; endLoading(timeoutMs: number): void };

/** Loading takes tens of milliseconds of a CPU; a machine that is too slow for this must not keep the process from its end. */
const LOADING_MS = 2000;

const open = new Set<Stoppable>();

function onExit(): void {
  for (const pool of open) pool.stopThreads();
  const end = performance.now() + LOADING_MS;
  for (const pool of open) pool.endLoading(Math.max(0, end - performance.now()));
}

export function stopAtExit(pool: Stoppable): void {
  if (open.size === 0) process.on('exit', onExit);
  open.add(pool);
}

export function forgetAtExit(pool: Stoppable): void {
  open.delete(pool);
  if (open.size === 0) process.off('exit', onExit);
}
