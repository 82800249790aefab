/** Timeouts as options: checked, and turned into what a slot keeps. */
import { integer, invalid } from '../options.ts';
import { MAX_TIMEOUT_MS } from '../slots/clock.ts';
import { Kind } from '../slots/record.ts';
import type { Limits } from '../slots/timeouts.ts';
import { checkInteger } from './arguments.ts';

/** The timeouts of a registration as it is made; each in whole milliseconds, from 1 to 2^30, none by default. */
export type TimeoutOptions = {
  readonly idleTimeoutMs?: number;
  readonly readTimeoutMs?: number;
  readonly writeTimeoutMs?: number;
  readonly deadlineMs?: number;
};

/**
 * The limits of a registration of this kind; of a listener, those of its connections. A bare descriptor has no messages and
 * no output that the pool knows of. @throws ERR_WAKEONE_INVALID_OPTION
 */
export function resolveLimits(options: TimeoutOptions, kind: Kind): Limits {
  const { readTimeoutMs, writeTimeoutMs } = options;
  for (const [name, value] of Object.entries({ readTimeoutMs, writeTimeoutMs }))
    if (kind === Kind.RAW && value !== undefined)
      throw invalid(name, 'left out: it is for connections', value);
  return {
    idleMs: timeout('idleTimeoutMs', options.idleTimeoutMs),
    readMs: timeout('readTimeoutMs', readTimeoutMs),
    writeMs: timeout('writeTimeoutMs', writeTimeoutMs),
    deadlineMs: timeout('deadlineMs', options.deadlineMs),
  };
}

/** A timeout as an option, 0 if there is none. @throws ERR_WAKEONE_INVALID_OPTION */
export function timeout(name: string, value: unknown): number {
  return integer(name, value, 1, MAX_TIMEOUT_MS, () => 0);
}

/** A timeout as an argument. @throws ERR_WAKEONE_INVALID_ARGUMENT */
export function checkDelay(name: string, value: unknown): number {
  return checkInteger(name, value, MAX_TIMEOUT_MS, 1);
}
