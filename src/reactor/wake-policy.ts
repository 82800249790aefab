/**
 * When a worker that has pushed hints wakes another one for them. A wake-up costs whoever makes it a system call, and whoever
 * is woken a way out of the kernel and back; handlers are often shorter than either. So a wake-up is put off while it does
 * not pay; the monitor makes good on it within two milliseconds (D3).
 *
 * What is known: hints that wait, what a turn takes (each worker samples its own, W1), what a wake-up costs (W2).
 *
 * W1  A turn in SAMPLE_EVERY is timed, each where they are slow. The mean is of turns, not of handlers: those that wait are
 *     like those that were.
 *     A turn that is suddenly slow is not waited for: a hint that waits behind it through a tick has the monitor wake another.
 * W2  Measured by every wake-up, in the thread that makes it, and shared: it follows the machine, and needs no trial run.
 * W3  A wake-up pays if it costs at most 1/16 of what the woken worker then runs: half of what waits. (Echo, 64
 *     connections, 2 workers on 2 CPUs: waking at a sixth of what that asks for cost 12 % more CPU per request, always 17 %.)
 */
import { WAKE_RULES, type WakeRule } from '../options.ts';
import { Config } from '../slots/layout.ts';

/** One turn in so many is timed: a power of two. */
export const SAMPLE_EVERY = 16;
/** From this mean on all are: that costs them nothing, and those that are long are many. */
const SLOW_TURN_MS = 0.03;
/** What is assumed before the first wake-up. */
const FIRST_COST_MS = 0.02;
/** Longer ones were preempted: they say nothing about the cost. */
const MOST_COST_MS = 0.2;
const WEIGHT = 1 / 8;
const WORTH = 16;

const FIXED_SHIFT = WAKE_RULES.length;

/** The config word: hints from which a worker is woken, undefined to go by what pays; rules that are off. Pure. */
export const packPolicy = (wakeAtHints: number | undefined, off: readonly WakeRule[] = []): number =>
  ((wakeAtHints === undefined ? 0 : wakeAtHints + 1) << FIXED_SHIFT) |
  off.reduce((bits, rule) => bits | bitOf(rule), 0);

const bitOf = (rule: WakeRule): number => 1 << WAKE_RULES.indexOf(rule);

/**
 * Whether a rule is on, by the config word. Pure.
 *
 * - oneSearcher: while a woken worker is still looking, no other is woken
 * - chain: a woken worker that has found something wakes the next one, if that pays
 * - putOff: a wake-up that does not pay is put off
 */
export const hasRule = (policy: number, rule: WakeRule): boolean => (policy & bitOf(rule)) === 0;

/** A running mean with the weight of the last eight or so; 0 is "none yet". Pure. */
export const blend = (mean: number, sample: number): number =>
  mean === 0 ? sample : mean + (sample - mean) * WEIGHT;

/** The cost of wake-ups after one that took so long. Pure. */
export const costAfter = (costMs: number, tookMs: number): number =>
  tookMs > MOST_COST_MS ? costMs : blend(costMs, tookMs);

/** Whether waking another worker for `waiting` hints pays. Pure. */
export function pays(waiting: number, turnMs: number, costMs: number): boolean {
  return (waiting / 2) * turnMs >= WORTH * (costMs === 0 ? FIRST_COST_MS : costMs);
}

/** What the policy needs of a pool's memory. */
export type PolicyMemory = {
  config(at: number): number;
  /** The mean cost of a wake-up in milliseconds, 0 before the first. */
  readonly wakeCostMs: number;
};

/** Each worker has one. */
export class WakePolicy {
  readonly #memory: PolicyMemory;
  readonly #putsOff: boolean;
  /** -1: what pays. */
  readonly #wakeAtHints: number;
  #turnMs = 0;

  constructor(memory: PolicyMemory) {
    this.#memory = memory;
    const policy = memory.config(Config.WAKE_POLICY);
    this.#putsOff = hasRule(policy, 'putOff');
    this.#wakeAtHints = (policy >>> FIXED_SHIFT) - 1;
  }

  /** Whether a turn is to be timed; `number` counts them (W1). */
  timesTurn(number: number): boolean {
    return this.#turnMs >= SLOW_TURN_MS || number % SAMPLE_EVERY === 0;
  }

  /** A turn has taken so long. */
  noteTurn(ms: number): void {
    this.#turnMs = blend(this.#turnMs, ms);
  }

  /** Whether to wake another worker. `mine` of the hints that wait are no work for others: the caller's next, the poll hint. */
  wakes(waiting: number, mine: number): boolean {
    if (!this.#putsOff) return waiting > 0;
    if (this.#wakeAtHints >= 0) return waiting > this.#wakeAtHints;
    return pays(waiting - mine, this.#turnMs, this.#memory.wakeCostMs);
  }
}
