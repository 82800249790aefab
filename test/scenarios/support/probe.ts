/**
 * A probe: the words in shared memory in which the handlers of `handlers/probe.mjs` note what they saw of one
 * registration. Its number is the low half of the registration's cookie.
 */

/** Words of a probe. The handlers are given this table with their `workerData`. */
export const Field = {
  /** Deliveries other than the last. */
  COUNT: 0,
  /** Last deliveries: must end at 1. */
  LAST: 1,
  /** 1 while a handler runs: entering is a compare-and-swap that must succeed. */
  RUNNING: 2,
  VIOLATIONS: 3,
  /** Handlers that started after the last one had. */
  LATE: 4,
  BYTES: 5,
  /** Bits of all deliveries together, and of the latest. */
  SEEN: 6,
  LATEST: 7,
  /** Position of the close reason in REASONS, plus one; its detail. */
  REASON: 8,
  DETAIL: 9,
  /** What the event said its fd is. */
  FD: 10,
  /** How many handlers may pass the gate. */
  PERMITS: 11,
  /** Deliveries in which the first read found nothing. */
  EMPTY: 12,
  /** errno of the first read or write that failed, positive. */
  ERRNO: 13,
  /** Bitmap of workers that ran its handlers. */
  WORKERS: 14,
  /** Registration that a handler is to tear down or change. */
  TARGET_FD: 15,
  TARGET_GENERATION: 16,
  /** The high half of the cookie as the handler saw it. */
  COOKIE_HIGH: 17,
  /** Kernel's id of the thread that ran the latest handler. */
  THREAD: 18,
  ABORTS: 19,
  /** 1: a call after the grace time threw ERR_WAKEONE_NOT_OWNER; 2: it did something else. */
  REVOKED: 20,
  /** Handlers that have returned or settled. */
  DONE: 21,
  /** Descriptors of one group share a counter of handlers that run: how many ran at most at once. */
  ENDS: 22,
  DRAINS: 23,
  OPENS: 24,
  ERRORS: 25,
  /** FNV-1a over the bytes in the order in which they were read. */
  HASH: 26,
  /** Order of the handlers of a connection: four bits each. */
  ORDER: 27,
  /** Delivered although none of the asked events was reported. */
  UNASKED: 28,
  /** Bits that this probe does not expect. */
  FORBIDDEN: 29,
  /** Handlers that have come to the gate. */
  GATED: 30,
  /** Sum of the values of deliveries. */
  VALUES: 31,
} as const;
export type Field = (typeof Field)[keyof typeof Field];

/** Bits of a delivery as the probe notes them. */
export const Bit = { IN: 1, OUT: 2, PRI: 4, PEER_ENDED: 8, HANGUP: 16, ERROR: 32 } as const;

export const REASONS = [
  'end',
  'destroyed',
  'teardown',
  'error',
  'input-overflow',
  'output-overflow',
  'detached',
  'pool-closed',
  'pool-destroyed',
  'worker-died',
  'fd-gone',
] as const;

const STRIDE = 32;
export const PROBE_WORDS: number = STRIDE;

export class Probe {
  readonly number: number;
  readonly #words: Int32Array;

  constructor(words: Int32Array, number: number) {
    this.#words = words;
    this.number = number;
  }

  get(field: Field): number {
    return Atomics.load(this.#words, this.number * STRIDE + field);
  }

  set(field: Field, value: number): void {
    Atomics.store(this.#words, this.number * STRIDE + field, value);
  }

  /** Deliveries other than the last. */
  get count(): number {
    return this.get(Field.COUNT);
  }

  get last(): number {
    return this.get(Field.LAST);
  }

  get bytes(): number {
    return this.get(Field.BYTES);
  }

  get reason(): (typeof REASONS)[number] | undefined {
    return REASONS[this.get(Field.REASON) - 1];
  }

  /** Handlers that have started and not ended. */
  get running(): boolean {
    return this.get(Field.RUNNING) !== 0;
  }

  /** Takes back what was permitted and not used; returns how much that was. */
  takeBack(): number {
    return Atomics.exchange(this.#words, this.number * STRIDE + Field.PERMITS, 0);
  }

  /** Lets `handlers` of them pass the gate, now or later. */
  permit(handlers = 1): void {
    const at = this.number * STRIDE + Field.PERMITS;
    Atomics.add(this.#words, at, handlers);
    Atomics.notify(this.#words, at);
  }
}

const STEPS = ['?', 'open', 'data', 'end', 'drain', 'error', 'close'] as const;

/** The latest handlers of a connection in their order, at most eight. */
export function stepsOf(probe: Probe): string[] {
  const digits = (probe.get(Field.ORDER) >>> 0).toString(16);
  return Array.from(digits, (digit) => STEPS[Number.parseInt(digit, 16)] ?? '?');
}

/** What the handlers leave in HASH when they have read these bytes. */
export function fnv1a(bytes: Uint8Array): number {
  let value = 2166136261;
  for (const byte of bytes) value = Math.imul(value ^ byte, 16777619) >>> 0;
  return value;
}
