/** The words of a user event's world, beside those of slot-words.ts that it shares with the slot's. */
import { SlotWord, WorkerWord } from '../../src/slots/layout.ts';
import { At, LAYOUT, nameOf as nameOfSlot, SLOT } from './slot-words.ts';

export const SLOT_USER: number = LAYOUT.slot(SLOT) + SlotWord.USER;

export const UserAt = {
  /** The generation that posters know: the registrar publishes it last. */
  HANDLE: 9,
  /** What was posted and not taken, a word for each of two generations. */
  PENDING: 10,
  PENDING_NEXT: 11,
  /** Takes whose handler has not come to its end. */
  OPEN: 12,
  /** Takes that were not settled. */
  HELD: 13,
  /** Losses that the reaper has told. */
  TOLD: 14,
} as const;

/** Kept by the test beside the protocol. */
export const isNote = (at: number): boolean => at >= UserAt.PENDING && at <= UserAt.TOLD;

const names = new Map<number, string>([
  ...Object.entries(UserAt).map(([name, at]): [number, string] => [at, name.toLowerCase()]),
  [SLOT_USER, 'user'],
  [LAYOUT.slot(SLOT) + SlotWord.BEGUN, 'begun'],
  ...[1, 2].flatMap((worker): [number, string][] => [
    [LAYOUT.worker(worker) + WorkerWord.UNITS_OF, `lane ${worker}`],
    [LAYOUT.worker(worker) + WorkerWord.UNITS, `units ${worker}`],
  ]),
]);

export const nameOf = (at: number): string => names.get(at) ?? nameOfSlot(at);
export { At };
