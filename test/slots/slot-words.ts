/** The words of a slot's world: those of the real layout, and a few of the test's own in front of them. */
import { Layout, SlotWord } from '../../src/slots/layout.ts';

export const SLOT = 1;
export const RING_CAPACITY = 4;
export const LAYOUT: Layout = new Layout(2, RING_CAPACITY);
export const SLOT_WORD: number = LAYOUT.slot(SLOT) + SlotWord.WORD;
export const SLOT_GENERATION: number = LAYOUT.slot(SLOT) + SlotWord.GENERATION;

export const At = {
  HEAD: 1,
  TAIL: 2,
  /** All hints, 2 bits each, oldest lowest: the queue of one step. */
  QUEUE: 3,
  KERNEL: 4,
  /** Who is in a handler (G1). */
  INSIDE: 5,
  /** How often `close` has begun, 4 bits for each generation (G3). */
  CLOSES: 6,
  /** Generations whose end was asked for, a bit each. */
  FORCES: 7,
  /** What is asked for: 1 is silence. */
  MAILBOX: 8,
} as const;

/** Kept by the test beside the protocol. */
export const isNote = (at: number): boolean => at === At.CLOSES || at === At.FORCES;

const names = new Map<number, string>([
  ...Object.entries(At).map(([name, at]): [number, string] => [at, name.toLowerCase()]),
  [SLOT_WORD, 'word'],
  [SLOT_GENERATION, 'generation'],
]);

export const nameOf = (at: number): string => names.get(at) ?? `cell[${at - LAYOUT.ring}]`;
