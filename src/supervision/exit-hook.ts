/**
 * The process can always exit (G11). `process.exit()`, an uncaught exception and a natural end wait for the worker
 * threads, and those cannot end while they are inside epoll_wait. So when the main thread exits, every pool is stopped:
 * the level-triggered stop descriptor ends waits in the kernel, also those that begin after this.
 */
export type Stoppable = { stopThreads(): void };

const open = new Set<Stoppable>();

function onExit(): void {
  for (const pool of open) pool.stopThreads();
}

export function stopAtExit(pool: Stoppable): void {
  if (open.size === 0) process.on('exit', onExit);
  open.add(pool);
}

export function forgetAtExit(pool: Stoppable): void {
  open.delete(pool);
  if (open.size === 0) process.off('exit', onExit);
}
