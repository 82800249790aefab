/**
 * The upkeep of the store: while keys have a time, a timer removes those whose time is over. While none has, there is no timer,
 * and an idle pool sleeps.
 *
 *     who sets a time:  the key is stored;  UPKEEP 0 -> its number?  starts the timer
 *     the timer:        some keys are removed;  none left with a time: UPKEEP <- 0;  looks again, as who sets a time does
 *     a thread dies:    with the upkeep perhaps: the next one with its number sets UPKEEP <- 0, and looks
 */
import { startTimer } from '../../src/worker.ts';
import type { Clients } from './clients.ts';
import type { Store } from './store.ts';

const EVERY_MS = 100;

/** Sees to it that the timer runs. After a key was given a time. */
export function startUpkeep(clients: Clients): void {
  const number = clients.takeUpkeep();
  if (number !== 0) startTimer({ handler: 'respUpkeep', afterMs: EVERY_MS, cookie: number });
}

/** One turn of the timer of this number. */
export function runUpkeep(clients: Clients, store: Store, number: number): void {
  store.maintain();
  // Another timer has it now: this one was believed to be dead.
  if (!clients.leaveUpkeep(number)) return;
  if (store.expiring > 0) startUpkeep(clients);
}
