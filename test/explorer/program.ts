/**
 * What the explorer runs: a program of virtual threads over shared words.
 *
 * A virtual thread is a plain function of its port. It is run until its n-th port call, then abandoned, and run again
 * from the start with its first n results replayed (history.ts). So a body must be a function of what the port
 * returned and nothing else: no clock, no randomness, no variable outside of it that a run changes.
 */
import type { Port } from '../../src/sync/port.ts';

/** The port of the library, and one more operation with which a test can model a system call. */
export interface VirtualPort extends Port {
  /**
   * Changes the word by a pure function in one atomic step, as the kernel does. Returns the old word. Who waits on
   * the word is woken if it has changed, as the kernel wakes those that wait for a file.
   */
  update(at: number, change: (word: number) => number): number;
}

export type Self = {
  readonly name: string;
  /** What the body gave to again(), 0 in the first round. */
  readonly round: number;
  /** Remembers a result for the end check. */
  log(value: number): void;
  /** Ends the schedule as a failure unless the condition holds. */
  check(condition: boolean, message: string): void;
};

/**
 * "Start my body again, and forget everything but this number and the log." Two histories that reach the same round
 * are one state then: loops stay finite, and the exploration small.
 */
export type Again = { readonly again: number };
export const again = (round = 0): Again => ({ again: round });

export type Body = (port: VirtualPort, self: Self) => Again | undefined;

export type VirtualThread = {
  readonly name: string;
  readonly body: Body;
  /** It may vanish at any port call. */
  readonly mortal?: boolean;
  /** It runs only if the thread of this name has vanished, and then it must. */
  readonly reaps?: string;
};

/** What is seen of a state. */
export type View = {
  word(at: number): number;
  /** A port over a copy of this state's memory: what it changes is forgotten. Its `wait` never sleeps. */
  readonly port: VirtualPort;
  log(thread: string): readonly number[];
  status(thread: string): ThreadStatus;
};

export const ThreadStatus = {
  READY: 'ready',
  /** Not run since it was started or notified: the only threads, beside the running one, that may vanish now. */
  FRESH: 'fresh',
  ASLEEP: 'asleep',
  DONE: 'done',
  VANISHED: 'vanished',
  /** A reaper whose victim lives. */
  DORMANT: 'dormant',
} as const;
export type ThreadStatus = (typeof ThreadStatus)[keyof typeof ThreadStatus];

export type Program = {
  /** Prepares the words before any thread runs. */
  readonly setup?: (port: VirtualPort) => void;
  readonly threads: readonly VirtualThread[];
  /** Switches away from a thread that could go on, per schedule. Unbounded unless given. */
  readonly preemptions?: number;
  /** Threads that vanish, per schedule. */
  readonly vanishings?: number;
  /** Waits with a finite time that may time out, per schedule. */
  readonly timeouts?: number;
  /**
   * How often all waits with a finite time may time out together when nobody can go on, per schedule: sleepers that look
   * again from time to time, and so make good a wake-up that was lost. Programs without it prove that none is.
   */
  readonly lastResorts?: number;
  /** Threads that may sleep when nobody else can run. Any other sleeper is a deadlock then. */
  readonly mayEndAsleep?: readonly string[];
  /**
   * Words of which a plain read may return an old value (stale.ts). Without it a `peek` is a `load`, as it is on
   * x86-64, where the processor keeps reads in order and an atomic change is seen before later reads are made.
   */
  readonly stale?: (at: number) => boolean;
  /** The address of each plain read comes from the one before it, so they are made in order. */
  readonly chained?: boolean;
  /**
   * Words whose access is no point of decision, for what a test keeps beside the protocol: they are changed together
   * with the step before, and loaded together with the step behind.
   */
  readonly silent?: (at: number) => boolean;
  /** Throws if a state is wrong; called after each step. */
  readonly invariant?: (view: View) => void;
  /** Throws if the end of a schedule is wrong. */
  readonly end?: (view: View) => void;
  /** How a trace calls a word. */
  readonly nameOf?: (at: number) => string;
  /** Steps of one schedule; more mean a thread that never comes to an end. */
  readonly longest?: number;
  /** Steps of the whole exploration; it is incomplete if they do not suffice. */
  readonly budget?: number;
  /** Whether states that were seen before are left out: the same truth, sooner. Only counting tests turn it off. */
  readonly prune?: boolean;
};

export type Failure = { readonly message: string; readonly trace: string };

export type Exploration = {
  /** All schedules within the bounds were seen. False after a failure or an exhausted budget. */
  readonly complete: boolean;
  readonly failure: Failure | undefined;
  /** Schedules that were followed to their end; those that met a state already seen are not counted. */
  readonly schedules: number;
  readonly states: number;
  readonly steps: number;
};
