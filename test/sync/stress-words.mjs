/** The shared words of the stress tests, each hot one in a line of its own. */
export const WAITING = 0;
export const GO = 1;
export const NEVER = 2;
export const OVER = 3;
export const TAKEN = 16;
export const LOCK = 32;
export const WORK = 48;
export const DONE = 64;
const HEAD = 80;
const TAIL = 96;
const PARKED = 112;
const CLOCK = 113;
/** A line each for 8 members. */
const MEMBERS = 128;
const RING_CELLS = 256;
/** Counts of hints, or the words inside the lock. */
export const CELLS = 4096;

/** Far beyond any delay of a loaded machine. */
export const LOST_AFTER_MS = 20_000;

export const ringPlace = (capacity) => ({ head: HEAD, tail: TAIL, cells: RING_CELLS, capacity });
export const lotPlace = { parked: PARKED, clock: CLOCK, state: MEMBERS, stamp: MEMBERS + 1, stride: 16 };
