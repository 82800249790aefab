/** Arguments that several handles take, checked in one way. */
import { makeError, show } from '../errors.ts';
import { MAX_DETAIL } from '../slots/record.ts';

/** @throws ERR_WAKEONE_INVALID_ARGUMENT unless it is an integer from `least` to `most` */
export function checkInteger(name: string, value: unknown, most: number, least = 0): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', name, `an integer from ${least} to ${most}`, show(value));
}

/** An application's number that comes with a teardown: what a slot's reason has room for. @throws ERR_WAKEONE_INVALID_ARGUMENT */
export function checkDetail(detail: unknown): number {
  return checkInteger('detail', detail, MAX_DETAIL);
}
