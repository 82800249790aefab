/** Asking a parked worker to retire; its answer is Presence.retires(), and why nothing is lost stands in supervision/retirement.ts. */
import { RetireState, WorkerWord } from '../slots/layout.ts';
import type { Dispatcher } from './dispatcher.ts';

/** Asks `worker` (0-based) if it is parked. The app's thread. */
export function askToRetire(dispatcher: Dispatcher, worker: number): void {
  const { port, layout } = dispatcher.memory;
  const at = layout.worker(worker) + WorkerWord.RETIRE;
  port.store(at, RetireState.ASKED);
  // It was woken meanwhile, or woke up by itself: it is needed, unless it has read the question and agreed by now.
  if (!dispatcher.lot.wake(worker)) port.compareExchange(at, RetireState.ASKED, RetireState.NONE);
}
