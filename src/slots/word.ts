/**
 * The packed slot word and every decision about it. Pure: no shared memory is touched here.
 *
 *     { generation : 13, owner : 6, flags : 4, ready : 6, state : 3 }      bit 31 … bit 0
 *
 *            register            deliver/request           claim                    close            free
 *     FREE ───────────▶ ACTIVE   ARMED ─────────▶ QUEUED ───────▶ ACTIVE(owner) ───────▶ CLOSING ───────▶ FREE(g+1)
 *                         │        ▲                 ▲               │  │  │
 *                         │        └── finish ───────┼───────────────┘  │  └─ finish(disable) ─▶ DISABLED
 *                         └─ finish                  └── finish, wanted ┘         request ──▶ QUEUED
 *
 * A decision maps a word to the next word. The same word back means: nothing to do, or not allowed. What the caller
 * owes follows from the pair: `entersQueue(word, next)` means it must push a hint, which is the only debt there is.
 *
 * | transition | thread                    | from -> to                                                   |
 * | register   | registrar                 | FREE -> ACTIVE(me)                                           |
 * | deliver    | poller, poster            | ARMED -> QUEUED +bits (unless all known); QUEUED, ACTIVE, DISABLED: +bits |
 * | claim      | worker                    | QUEUED -> ACTIVE(me); bits and flags are taken with the same CAS |
 * | seize      | owner of its group; joiner | ARMED, QUEUED, DISABLED -> ACTIVE(me); bits are taken, flags stay |
 * | finish     | owner                     | ACTIVE -> ARMED | QUEUED | DISABLED                            |
 * | request    | any                       | ARMED, DISABLED -> QUEUED +flag; QUEUED, ACTIVE: +flag        |
 * | close      | owner                     | ACTIVE -> CLOSING(me)                                        |
 * | free       | owner                     | CLOSING -> FREE(g+1)                                         |
 * | takeOver   | registrar, given the number by the kernel | CLOSING(g), generation ended -> ACTIVE(me, g+1) |
 * | reap       | supervisor                | ACTIVE(dead) -> QUEUED +flag (FORCED; a listener goes on); CLOSING(dead) -> ACTIVE(supervisor) |
 *
 * W1  At most one owner: ACTIVE and CLOSING name it; every other state has owner 0.
 * W2  QUEUED is left only by claim and seize: so a slot has at most one live hint (G5), and after a seize perhaps void ones.
 * W3  A ready bit, once set, is cleared only by claim and seize (which hand it to the owner), close or free. finish puts back what
 *     the owner did not exhaust. An edge that comes at any other moment stays (G2).
 * W4  ARMED with ready bits means: known to be ready, not wanted. Whoever changes what is wanted is the owner, in a
 *     turn, and its finish looks at the bits: so deliver need not know what is wanted.
 * W5  After close no deliver, request or claim changes the word: no handler of that generation starts (G3).
 */

export const State = { FREE: 0, ARMED: 1, QUEUED: 2, ACTIVE: 3, DISABLED: 4, CLOSING: 5 } as const;
export type State = (typeof State)[keyof typeof State];

/** Readiness as the slot keeps it: the kernel's six conditions in six bits. */
export const Ready = { IN: 1, PRI: 2, OUT: 4, ERR: 8, HUP: 16, RDHUP: 32 } as const;
export const READY_ALL = 63;
export const READY_NONE = 0;

/** What other threads ask of the owner. */
export const Flag = {
  /** Teardown: the next turn is the last. */
  FORCED: 1,
  /** The mailbox has changed. */
  CONTROL: 2,
  /** Reserved for timeouts. */
  TIMER: 4,
  /** Reserved for user events. */
  USER: 8,
} as const;
export const FLAGS_NONE = 0;

const READY_SHIFT = 3;
const FLAGS_SHIFT = 9;
const OWNER_SHIFT = 13;
const GENERATION_SHIFT = 19;

const STATE_MASK = 7;
const READY_MASK = 63 << READY_SHIFT;
const FLAGS_MASK = 15 << FLAGS_SHIFT;
const OWNER_MASK = 63 << OWNER_SHIFT;
const GENERATION_FIELD = -1 << GENERATION_SHIFT;

/** The part of a 32-bit generation that the word carries. */
export const WORD_GENERATION_MASK = 0x1fff;

export const NO_OWNER = 0;

export function pack(generation: number, owner: number, flags: number, ready: number, state: State): number {
  return (
    (generation << GENERATION_SHIFT) |
    (owner << OWNER_SHIFT) |
    (flags << FLAGS_SHIFT) |
    (ready << READY_SHIFT) |
    state
  );
}

export const stateOf = (word: number): State => (word & STATE_MASK) as State;
export const readyOf = (word: number): number => (word & READY_MASK) >>> READY_SHIFT;
export const flagsOf = (word: number): number => (word & FLAGS_MASK) >>> FLAGS_SHIFT;
export const ownerOf = (word: number): number => (word & OWNER_MASK) >>> OWNER_SHIFT;
export const generationOf = (word: number): number => word >>> GENERATION_SHIFT;

/** Whether the word carries (the low bits of) this generation. */
export const isGeneration = (word: number, generation: number): boolean =>
  generationOf(word) === (generation & WORD_GENERATION_MASK);

const isOwned = (word: number, state: State, owner: number): boolean =>
  (word & (STATE_MASK | OWNER_MASK)) === ((owner << OWNER_SHIFT) | state);

const live = (word: number): boolean => {
  const state = stateOf(word);
  return state !== State.FREE && state !== State.CLOSING;
};

/** The one debt of a transition: the slot has just become queued, so its hint must be pushed. */
export function entersQueue(word: number, next: number): boolean {
  return stateOf(next) === State.QUEUED && stateOf(word) !== State.QUEUED;
}

export function register(word: number, me: number): number {
  if (stateOf(word) !== State.FREE) return word;
  return pack(generationOf(word), me, FLAGS_NONE, READY_NONE, State.ACTIVE);
}

export function deliver(word: number, generation: number, bits: number): number {
  if (!isGeneration(word, generation) || !live(word)) return word;
  const next = word | (bits << READY_SHIFT);
  // W4: bits that an armed slot knows already are not wanted, and need no turn.
  if (stateOf(word) !== State.ARMED || next === word) return next;
  return (next & ~STATE_MASK) | State.QUEUED;
}

export function claim(word: number, me: number): number {
  if (stateOf(word) !== State.QUEUED) return word;
  return (word & GENERATION_FIELD) | (me << OWNER_SHIFT) | State.ACTIVE;
}

/** Takes a slot that is at rest, or waits for a turn, without giving it that turn: what was requested stays requested. */
export function seize(word: number, me: number): number {
  const state = stateOf(word);
  if (state !== State.ARMED && state !== State.QUEUED && state !== State.DISABLED) return word;
  return (word & (GENERATION_FIELD | FLAGS_MASK)) | (me << OWNER_SHIFT) | State.ACTIVE;
}

/**
 * `leftover` are bits that the owner took and did not exhaust; `wanted` are the bits that it wants a turn for.
 * With `disable` the slot stays silent until a request, whatever is ready; a flag that waits still gets its turn.
 */
export function finish(word: number, me: number, leftover: number, wanted: number, disable: boolean): number {
  if (!isOwned(word, State.ACTIVE, me)) return word;
  const bits = (word & ~(OWNER_MASK | STATE_MASK)) | (leftover << READY_SHIFT);
  if (flagsOf(word) !== FLAGS_NONE) return bits | State.QUEUED;
  if (disable) return bits | State.DISABLED;
  return bits | ((readyOf(bits) & wanted) === 0 ? State.ARMED : State.QUEUED);
}

export function request(word: number, generation: number, flag: number): number {
  if (!isGeneration(word, generation) || !live(word)) return word;
  const next = word | (flag << FLAGS_SHIFT);
  const state = stateOf(word);
  if (state !== State.ARMED && state !== State.DISABLED) return next;
  return (next & ~STATE_MASK) | State.QUEUED;
}

export function close(word: number, me: number): number {
  if (!isOwned(word, State.ACTIVE, me)) return word;
  return (word & GENERATION_FIELD) | (me << OWNER_SHIFT) | State.CLOSING;
}

export function free(word: number, me: number): number {
  if (!isOwned(word, State.CLOSING, me)) return word;
  return pack(generationOf(word) + 1, NO_OWNER, FLAGS_NONE, READY_NONE, State.FREE);
}

export function takeOver(word: number, me: number): number {
  if (stateOf(word) !== State.CLOSING) return word;
  return pack(generationOf(word) + 1, me, FLAGS_NONE, READY_NONE, State.ACTIVE);
}

export function reap(word: number, dead: number, supervisor: number, flag: number = Flag.FORCED): number {
  if (isOwned(word, State.ACTIVE, dead)) {
    return (word & ~(OWNER_MASK | STATE_MASK)) | (flag << FLAGS_SHIFT) | State.QUEUED;
  }
  if (isOwned(word, State.CLOSING, dead)) {
    return (word & GENERATION_FIELD) | (supervisor << OWNER_SHIFT) | State.ACTIVE;
  }
  return word;
}
