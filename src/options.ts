/** Options of a pool: types, defaults, and the one validator. */
import type { ResourceLimits } from 'node:worker_threads';
import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';
import { makeError, show } from './errors.ts';

/** Rules of waking that can be switched off, to measure what each of them gives: see reactor/wake-policy.ts. */
export const WAKE_RULES = ['oneSearcher', 'chain', 'putOff'] as const;
export type WakeRule = (typeof WAKE_RULES)[number];

export type PoolOptions = {
  /** The handler module: a file whose default export is what `defineHandlers` returned. Loaded once per worker. */
  readonly handlers: URL | string;
  /** Milliseconds of sleep after which a thread above `minThreads` ends. Default 60,000. */
  readonly idleTimeoutMs?: number;
  /** Threads that are always there. Default: as many as `concurrency`. */
  readonly minThreads?: number;
  /** Most threads. Default: `minThreads`. At most 32. Those above `concurrency` are spares for workers that block. */
  readonly maxThreads?: number;
  /** Most workers that run handlers at once. Default: the CPUs that this process may use, at most `maxThreads`. */
  readonly concurrency?: number;
  /** Descriptors from 0 to `maxFds - 1` may be registered. Default: the soft limit of open files, at most 2^20. */
  readonly maxFds?: number;
  /** Sources without a descriptor that may exist at once: user events, and items that were posted and not handled. Default 4,096. */
  readonly maxSources?: number;
  /** Hints that the ring holds, a power of two. Default: twice `maxFds` and `maxSources`, so that it cannot overflow. */
  readonly ringSize?: number;
  /** Unsent bytes of a connection from which `write()` returns false. Default 64 KiB. */
  readonly highWaterMark?: number;
  /** Most bytes of input that a handler may leave unread. Default 1 MiB. */
  readonly maxInput?: number;
  /** Most unsent bytes of a connection. Default 64 MiB. */
  readonly maxOutput?: number;
  /** Bytes shared by all buffers of all connections; used only when touched. Default 256 MiB. */
  readonly bufferMemory?: number;
  /** Bytes for all that `pool.shared()` gives; used only when touched. Default 64 MiB. */
  readonly sharedMemory?: number;
  /** How long an async handler may go on after a teardown was asked for. Default 1,000 ms. */
  readonly graceMs?: number;
  /** Given to the `init` hook of the handler module; structured clone. */
  readonly workerData?: unknown;
  /**
   * Limits of each worker's JavaScript heap and stack, as of `node:worker_threads`. A worker that reaches them ends alone and is
   * replaced; without them, what uses up all memory may end the process.
   */
  readonly resourceLimits?: ResourceLimits | undefined;
  /** Gives up the start of the pool. */
  readonly signal?: AbortSignal;
  /** Hints that may wait in the ring before another worker is woken at once instead of within a millisecond. Default: as
   *  many as it pays, by what turns take and wake-ups cost. */
  readonly wakeAtHints?: number | undefined;
  /** Benchmarks only: rules of waking that are switched off. */
  readonly wakeRulesOff?: readonly WakeRule[];
  /** Tests only: parked workers look again after this time, and count what they find as rescued. 0: never. */
  readonly safetyTimeoutMs?: number;
};

export type ResolvedOptions = Required<Omit<PoolOptions, 'signal' | 'handlers'>> & {
  readonly handlers: string;
  readonly signal: AbortSignal | undefined;
};

const MAX_THREADS = 32;
const MAX_FDS = 2 ** 20;
const MAX_SOURCES = 2 ** 19;
const MAX_RING = 2 ** 21;
const MAX_MEMORY = 2 ** 32 - 2 ** 12;

/** Checks options and fills in defaults. `openFiles` is the soft limit of open files. @throws ERR_WAKEONE_INVALID_OPTION */
export function resolveOptions(options: PoolOptions, openFiles: number): ResolvedOptions {
  checkNames(options, OPTION_NAMES);
  if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) {
    throw invalid('signal', 'an AbortSignal', options.signal);
  }
  checkCloneable(options.workerData);
  const cpus = Math.min(availableParallelism(), MAX_THREADS);
  // Each alone first: the bounds of the others are made of them.
  integer('concurrency', options.concurrency, 1, MAX_THREADS, () => cpus);
  integer('maxThreads', options.maxThreads, 1, MAX_THREADS, () => cpus);
  const concurrencyHint = options.concurrency ?? options.minThreads ?? options.maxThreads ?? cpus;
  const minThreads = integer('minThreads', options.minThreads, 1, MAX_THREADS, () =>
    Math.min(concurrencyHint, options.maxThreads ?? MAX_THREADS),
  );
  const maxThreads = integer('maxThreads', options.maxThreads, minThreads, MAX_THREADS, () => minThreads);
  const maxFds = integer('maxFds', options.maxFds, 8, MAX_FDS, () => Math.min(openFiles, MAX_FDS));
  const maxSources = integer('maxSources', options.maxSources, 0, MAX_SOURCES, () => 4096);
  const ringSize = integer('ringSize', options.ringSize, 2, MAX_RING, () =>
    Math.min(2 ** Math.ceil(Math.log2(2 * (maxFds + maxSources + 1))), MAX_RING),
  );
  if (!Number.isInteger(Math.log2(ringSize))) throw invalid('ringSize', 'a power of two', ringSize);
  const bufferMemory = integer('bufferMemory', options.bufferMemory, 2 ** 16, MAX_MEMORY, () => 2 ** 28);
  return {
    handlers: moduleUrl(options.handlers),
    minThreads,
    maxThreads,
    concurrency: integer('concurrency', options.concurrency, 1, maxThreads, () => Math.min(cpus, maxThreads)),
    idleTimeoutMs: integer('idleTimeoutMs', options.idleTimeoutMs, 1, 2 ** 31 - 1, () => 60_000),
    maxFds,
    maxSources,
    ringSize,
    highWaterMark: integer('highWaterMark', options.highWaterMark, 1, 2 ** 30, () => 2 ** 16),
    maxInput: integer('maxInput', options.maxInput, 1, 2 ** 30, () => 2 ** 20),
    maxOutput: integer('maxOutput', options.maxOutput, 1, 2 ** 30, () => 2 ** 26),
    bufferMemory: Math.floor(bufferMemory / 4096) * 4096,
    sharedMemory: integer('sharedMemory', options.sharedMemory, 0, MAX_MEMORY, () => 2 ** 26),
    graceMs: integer('graceMs', options.graceMs, 0, 2 ** 31 - 1, () => 1000),
    workerData: options.workerData,
    resourceLimits: resourceLimits(options.resourceLimits),
    signal: options.signal,
    wakeAtHints:
      options.wakeAtHints === undefined
        ? undefined
        : integer('wakeAtHints', options.wakeAtHints, 0, 2 ** 20, () => 0),
    wakeRulesOff: wakeRules(options.wakeRulesOff),
    safetyTimeoutMs: integer('safetyTimeoutMs', options.safetyTimeoutMs, 0, 2 ** 31 - 1, () => 0),
  };
}

const RESOURCE_LIMITS: Readonly<Record<keyof ResourceLimits, true>> = {
  maxYoungGenerationSizeMb: true,
  maxOldGenerationSizeMb: true,
  codeRangeSizeMb: true,
  stackSizeMb: true,
};

function resourceLimits(given: ResourceLimits | undefined): ResourceLimits | undefined {
  if (given === undefined) return undefined;
  checkNames(given, RESOURCE_LIMITS);
  for (const [name, value] of Object.entries(given))
    if (value !== undefined && !(typeof value === 'number' && value > 0 && value < Number.POSITIVE_INFINITY))
      throw invalid(`resourceLimits.${name}`, 'a positive number of megabytes', value);
  return { ...given };
}

function wakeRules(given: readonly WakeRule[] | undefined): readonly WakeRule[] {
  const isRule = (name: unknown): boolean => WAKE_RULES.includes(name as WakeRule);
  if (given === undefined) return [];
  if (!Array.isArray(given) || !given.every(isRule))
    throw invalid('wakeRulesOff', `an array with any of ${WAKE_RULES.join(', ')}`, given);
  return [...(given as readonly WakeRule[])];
}

const OPTION_NAMES: Readonly<Record<keyof PoolOptions, true>> = {
  handlers: true,
  minThreads: true,
  maxThreads: true,
  concurrency: true,
  idleTimeoutMs: true,
  maxFds: true,
  maxSources: true,
  ringSize: true,
  highWaterMark: true,
  maxInput: true,
  maxOutput: true,
  bufferMemory: true,
  sharedMemory: true,
  graceMs: true,
  workerData: true,
  resourceLimits: true,
  signal: true,
  wakeAtHints: true,
  wakeRulesOff: true,
  safetyTimeoutMs: true,
};

/** Options must be an object, and each of them one that is known: a misspelt one would be silently without effect. @throws ERR_WAKEONE_INVALID_OPTION */
export function checkNames(options: unknown, names: Readonly<Record<string, true>>): void {
  if (typeof options !== 'object' || options === null) throw invalid('options', 'an object', options);
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(names, name))
      throw invalid(name, `left out: there are ${Object.keys(names).join(', ')}`, Reflect.get(options, name));
  }
}

function checkCloneable(workerData: unknown): void {
  try {
    structuredClone(workerData);
  } catch {
    throw invalid('workerData', 'something that structured clone takes', workerData);
  }
}

/** An integer in a range, or its default. @throws ERR_WAKEONE_INVALID_OPTION */
export function integer(
  name: string,
  value: unknown,
  least: number,
  most: number,
  byDefault: () => number,
): number {
  if (value === undefined) return byDefault();
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw invalid(name, `an integer from ${least} to ${most}`, value);
}

/** One of some strings, or the default. @throws ERR_WAKEONE_INVALID_OPTION */
export function choice<T extends string>(
  name: string,
  value: unknown,
  choices: readonly T[],
  byDefault: T,
): T {
  if (value === undefined) return byDefault;
  const found = choices.find((candidate) => candidate === value);
  if (found !== undefined) return found;
  throw invalid(name, `one of ${choices.map(show).join(', ')}`, value);
}

/** A boolean, or the default. @throws ERR_WAKEONE_INVALID_OPTION */
export function flag(name: string, value: unknown, byDefault: boolean): boolean {
  if (value === undefined) return byDefault;
  if (typeof value === 'boolean') return value;
  throw invalid(name, 'a boolean', value);
}

export function invalid(name: string, expected: string, received: unknown): Error {
  return makeError('ERR_WAKEONE_INVALID_OPTION', name, expected, show(received));
}

/** Milliseconds that a timer can wait, or the default. @throws ERR_WAKEONE_INVALID_ARGUMENT */
export function checkTimeout(timeoutMs: unknown, byDefault: number): number {
  if (timeoutMs === undefined) return byDefault;
  if (typeof timeoutMs === 'number' && timeoutMs >= 0 && timeoutMs <= 2 ** 31 - 1) return timeoutMs;
  throw makeError(
    'ERR_WAKEONE_INVALID_ARGUMENT',
    'timeoutMs',
    'milliseconds from 0 to 2^31 - 1',
    show(timeoutMs),
  );
}

function moduleUrl(handlers: unknown): string {
  if (handlers instanceof URL) return handlers.href;
  if (typeof handlers === 'string' && handlers !== '') {
    return handlers.startsWith('file:') ? handlers : pathToFileURL(handlers).href;
  }
  throw invalid('handlers', 'the URL or path of a handler module', handlers);
}
