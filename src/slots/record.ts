/**
 * The fields of a slot beside its word: what was registered, what is asked for, why it ends. Which thread may touch
 * which field is drawn in layout.ts.
 */
import type { AtomicsPort } from '../sync/port.ts';
import { type Layout, SlotWord, Word } from './layout.ts';
import { emptyUserWord, type Merge } from './user.ts';
import { WORD_GENERATION_MASK } from './word.ts';

/** What a slot stands for. From EVENT on they have no descriptor; an ITEM is delivered once and then over. */
export const Kind = { RAW: 0, CONNECTION: 1, LISTENER: 2, EVENT: 3, ITEM: 4, TIMER: 5, GROUP: 6 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** Flags of the config word, above { handler : 12, kind : 3 }. */
export const Trait = {
  /** Registered edge-triggered once; without it EPOLLONESHOT and a re-arm for each delivery. */
  EDGE: 0x8000,
  /** The pool closes the fd at the end; without it the fd is only taken out of the epoll set. */
  OWN: 0x10000,
  /** A stream socket that the pool made: a short read means drained. */
  STREAM: 0x20000,
  /** The peer's FIN does not end our side by itself. */
  HALF_OPEN: 0x40000,
  /** A raw handler must re-arm by itself. */
  MANUAL: 0x80000,
  /** A group that ends with its last member. (In the place of a merge, which groups have none of.) */
  TRANSIENT: 0x200000,
  /** AF_UNIX or otherwise without TCP options. */
  NOT_TCP: 0x100000,
  /** Registered in an epoll set of an odd epoch. (In the place of a merge, which what has a descriptor has none of.) */
  ODD: 0x400000,
  /** Its times hold something: the monitor looks at them. (0x200000 and 0x400000 are MERGE_SHIFT's.) */
  TIMED: 0x800000,
  /** It has an idle timeout, which each activity pushes ahead. */
  IDLE: 0x1000000,
  /** It has a read or write timeout. */
  PACED: 0x2000000,
} as const;

/** How what is posted to a slot is merged: two bits above the traits. */
const MERGE_SHIFT = 21;
export const mergeTrait = (merge: Merge): number => merge << MERGE_SHIFT;
export const mergeOf = (config: number): Merge => ((config >>> MERGE_SHIFT) & 3) as Merge;

/** The worker in which a sticky slot lives, from 0, in the uppermost six bits as { home + 1 }; slots/homes.ts. */
export const HOME_SHIFT = 26;
export const NO_HOME = -1;
/** In place of a worker that has died: the slot lives nowhere any more, and is about to end. */
export const HOME_GONE = 62;
/** Of a listener: it lives nowhere itself, each of its connections has a home. */
export const HOME_OF_EACH = 61;
export const homeTrait = (home: number): number => (home + 1) << HOME_SHIFT;
/** Whether turns of a slot with this home are for that worker alone. */
export const isWorker = (home: number): boolean => home !== NO_HOME && home < HOME_OF_EACH;
export const homeOf = (config: number): number => (config >>> HOME_SHIFT) - 1;

const HANDLER_MASK = 0xfff;
const KIND_SHIFT = 12;
export const MAX_HANDLERS: number = HANDLER_MASK + 1;

export const packConfig = (handler: number, kind: Kind, traits: number): number =>
  handler | (kind << KIND_SHIFT) | traits;
const isOdd = (epoch: number): boolean => (epoch & 1) !== 0;
export const handlerOf = (config: number): number => config & HANDLER_MASK;
export const kindOf = (config: number): Kind => ((config >>> KIND_SHIFT) & 7) as Kind;

/** What is asked for: { generation : 13, held : 1, disabled : 1, events : 6 }. */
const DISABLED = 1 << 6;
/** Held back by its own handler: paused, or delivered and not re-armed by hand since. */
const HELD = 1 << 7;
const EVENTS_MASK = 63;
const GENERATION_SHIFT = 19;
const GENERATION_MASK = WORD_GENERATION_MASK << GENERATION_SHIFT;

export const isDisabled = (mailbox: number): boolean => (mailbox & DISABLED) !== 0;
export const isHeld = (mailbox: number): boolean => (mailbox & HELD) !== 0;
/** Of a bare descriptor: whether nothing may be delivered. */
export const isSilent = (mailbox: number): boolean => (mailbox & (DISABLED | HELD)) !== 0;
export const eventsOf = (mailbox: number): number => mailbox & EVENTS_MASK;

/** Why a slot is torn down from outside its handler. */
export const Cause = {
  NONE: 0,
  TEARDOWN: 1,
  POOL_CLOSE: 2,
  POOL_DESTROY: 3,
  WORKER_DIED: 4,
  FD_GONE: 5,
} as const;
export type Cause = (typeof Cause)[keyof typeof Cause];
const CAUSE_SHIFT = 16;
export const MAX_DETAIL = 0xffff;

export const causeOf = (reason: number): Cause => ((reason >>> CAUSE_SHIFT) & 7) as Cause;
export const detailOf = (reason: number): number => reason & MAX_DETAIL;

/** Phase bits of a connection (or raw registration), in the link word below the parent. */
export const Phase = {
  OPENED: 1,
  PAUSED: 2,
  PEER_ENDED: 4,
  ENDING: 8,
  SHUT: 16,
  ABOVE_MARK: 32,
  DRAINING: 64,
  /** The `end` handler has been called. */
  END_SEEN: 128,
  /** While it is DRAINING: something came, or went, since its timer was last set. */
  STIRRED: 256,
  /** connect() is under way. `close` is owed. */
  CONNECTING: 512,
  /** It is ABOVE_MARK by what a peer has written. */
  FED: 1024,
} as const;
const PHASE_MASK = 0x7ff;

/** A listener's family word: { 1 : 1, generation : 10, starved : 1, connections : 20 }; the first bit tells it from a user word. */
const FAMILY_SHIFT = 21;
const FAMILY_GENERATION = 0x3ff;
const FAMILY_MARK = 0x400;
const familyTag = (generation: number): number => (generation & FAMILY_GENERATION) | FAMILY_MARK;
const STARVED = 1 << 20;
const CONNECTIONS_MASK = STARVED - 1;
const PARENT_SHIFT = 11;

export class SlotRecords {
  readonly #port: AtomicsPort;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #layout: Layout;

  constructor(port: AtomicsPort, layout: Layout) {
    this.#port = port;
    this.#words = port.words;
    this.#doubles = new Float64Array(port.words.buffer, 0, port.words.length >>> 1);
    this.#layout = layout;
  }

  /** Fills a slot that the caller has just registered. Registrar. */
  begin(index: number, generation: number, config: number, events: number, cookie: bigint): void {
    const at = this.#layout.slot(index);
    const tag = (generation & WORD_GENERATION_MASK) << GENERATION_SHIFT;
    const words = this.#words;
    // Whoever dies before it is registered has not left it behind.
    const odd = index < this.#layout.maxFds && isOdd(this.#port.peek(Word.EPOCH));
    words[at + SlotWord.CONFIG] = odd ? config | Trait.ODD : config;
    // Most have none, and halving a BigInt makes four more.
    words[at + SlotWord.COOKIE_LO] = cookie === 0n ? 0 : Number(BigInt.asIntN(32, cookie));
    words[at + SlotWord.COOKIE_HI] = cookie === 0n ? 0 : Number(BigInt.asIntN(32, cookie >> 32n));
    words[at + SlotWord.LINK] = 0;
    words[at + SlotWord.INPUT] = 0;
    words[at + SlotWord.OUTPUT] = 0;
    words[at + SlotWord.RUNNING] = 0;
    words[at + SlotWord.GROUP] = 0;
    if (kindOf(config) === Kind.LISTENER)
      this.#port.store(at + SlotWord.FAMILY, familyTag(generation) << FAMILY_SHIFT);
    else this.#port.store(at + SlotWord.USER, emptyUserWord(generation));
    this.#port.store(at + SlotWord.REASON, tag);
    this.#port.store(at + SlotWord.MAILBOX, tag | events);
  }

  config(index: number): number {
    return this.#words[this.#layout.slot(index) + SlotWord.CONFIG] ?? 0;
  }

  /** Says in which epoch a slot was registered, or has moved. The owner, of a slot with a descriptor. */
  setEpoch(index: number, epoch: number): void {
    if (this.isOfEpoch(index, epoch)) return;
    const at = this.#layout.slot(index) + SlotWord.CONFIG;
    if (isOdd(epoch)) this.#port.or(at, Trait.ODD);
    else this.#port.and(at, ~Trait.ODD);
  }

  /** Whether that was this epoch, or another one that is as odd. Any thread. */
  isOfEpoch(index: number, epoch: number): boolean {
    return ((this.config(index) & Trait.ODD) !== 0) === isOdd(epoch);
  }

  /** Says that a slot has times from now on. The owner. */
  setTimed(index: number): void {
    this.#port.or(this.#layout.slot(index) + SlotWord.CONFIG, Trait.TIMED);
  }

  /** Says whether a slot that has times has an idle timeout. The owner. */
  setIdle(index: number, idle: boolean): void {
    const at = this.#layout.slot(index) + SlotWord.CONFIG;
    if (idle) this.#port.or(at, Trait.IDLE);
    else this.#port.and(at, ~Trait.IDLE);
  }

  /** The number is another file's by now, or nobody's: the end must not close it. The owner. */
  disown(index: number): void {
    this.#port.and(this.#layout.slot(index) + SlotWord.CONFIG, ~(Trait.OWN | Trait.STREAM));
  }

  cookie(index: number): bigint {
    const at = this.#layout.slot(index);
    const low = BigInt.asUintN(32, BigInt(this.#words[at + SlotWord.COOKIE_LO] ?? 0));
    return (BigInt.asUintN(32, BigInt(this.#words[at + SlotWord.COOKIE_HI] ?? 0)) << 32n) | low;
  }

  /** Upper half of a cookie. */
  cookieHigh(index: number): number {
    return this.#words[this.#layout.slot(index) + SlotWord.COOKIE_HI] ?? 0;
  }

  /** The value of a posted item, in place of a cookie. Registrar, owner. */
  setNumber(index: number, value: number): void {
    this.#doubles[(this.#layout.slot(index) + SlotWord.COOKIE_LO) >>> 1] = value;
  }

  number(index: number): number {
    return this.#doubles[(this.#layout.slot(index) + SlotWord.COOKIE_LO) >>> 1] ?? 0;
  }

  cookieLow(index: number): number {
    return this.#words[this.#layout.slot(index) + SlotWord.COOKIE_LO] ?? 0;
  }

  /**
   * For the owner of a turn a plain read will do: who changes the mailbox sets a flag of the slot's word after it, and the
   * claim that takes the flag orders this read behind it.
   */
  mailbox(index: number): number {
    return this.#port.peek(this.#layout.slot(index) + SlotWord.MAILBOX);
  }

  /** Changes what is asked for. Any thread. False if the registration is not of this generation any more. */
  askEvents(index: number, generation: number, events: number): boolean {
    return this.#ask(index, generation, EVENTS_MASK, events);
  }

  /** As askEvents: no deliveries until they are enabled. */
  disable(index: number, generation: number): boolean {
    return this.#ask(index, generation, DISABLED, DISABLED);
  }

  /** As askEvents: ends what `disable` asked for, and what the handler held back. */
  enable(index: number, generation: number): boolean {
    return this.#ask(index, generation, DISABLED | HELD, 0);
  }

  /** Holds deliveries back, or ends that: a bit of its own, so that a handler undoes no `disable` of another thread. The owner. */
  hold(index: number, generation: number, held: boolean): void {
    this.#ask(index, generation, HELD, held ? HELD : 0);
  }

  reason(index: number): number {
    return this.#port.load(this.#layout.slot(index) + SlotWord.REASON);
  }

  /**
   * Gives the cause of a teardown; the first one stays, except that destroying overrides draining. Any thread; false
   * if the registration is of another generation.
   */
  giveReason(index: number, generation: number, cause: Cause, detail: number): boolean {
    const at = this.#layout.slot(index) + SlotWord.REASON;
    const tag = (generation & WORD_GENERATION_MASK) << GENERATION_SHIFT;
    for (;;) {
      const word = this.#port.load(at);
      if ((word & GENERATION_MASK) !== tag) return false;
      const present = causeOf(word);
      const overrides = present === Cause.POOL_CLOSE && cause !== Cause.POOL_CLOSE;
      if (present !== Cause.NONE && !overrides) return true;
      const next = tag | (cause << CAUSE_SHIFT) | detail;
      if (this.#port.compareExchange(at, word, next) === word) return true;
    }
  }

  phase(index: number): number {
    return (this.#words[this.#layout.slot(index) + SlotWord.LINK] ?? 0) & PHASE_MASK;
  }

  setPhase(index: number, phase: number): void {
    const at = this.#layout.slot(index) + SlotWord.LINK;
    this.#words[at] = ((this.#words[at] ?? 0) & ~PHASE_MASK) | phase;
  }

  /** The listener that accepted this connection. */
  parent(index: number): number | undefined {
    const link = (this.#words[this.#layout.slot(index) + SlotWord.LINK] ?? 0) >>> PARENT_SHIFT;
    return link === 0 ? undefined : link - 1;
  }

  /** Of one that connects: its deadline, or the negated errno that connect() has returned. Owner; to be looked at, anybody. */
  connectWord(index: number): number {
    return this.#words[this.#layout.slot(index) + SlotWord.CONNECT] ?? 0;
  }

  setConnectWord(index: number, word: number): void {
    this.#words[this.#layout.slot(index) + SlotWord.CONNECT] = word;
  }

  input(index: number): number {
    return this.#words[this.#layout.slot(index) + SlotWord.INPUT] ?? 0;
  }

  /** The block, which is the caller's to release from now on: whoever dies after this has not left it twice. */
  takeInput(index: number): number {
    const block = this.input(index);
    this.setInput(index, 0);
    return block;
  }

  takeOutput(index: number): number {
    const block = this.output(index);
    this.setOutput(index, 0);
    return block;
  }

  setInput(index: number, block: number): void {
    this.#words[this.#layout.slot(index) + SlotWord.INPUT] = block;
  }

  output(index: number): number {
    return this.#words[this.#layout.slot(index) + SlotWord.OUTPUT] ?? 0;
  }

  setOutput(index: number, block: number): void {
    this.#words[this.#layout.slot(index) + SlotWord.OUTPUT] = block;
  }

  /** Marks the slot as running in `worker` (id + 1), 0 for none; returns what was there. The exclusivity check (G1). */
  exchangeRunning(index: number, worker: number): number {
    const at = this.#layout.slot(index) + SlotWord.RUNNING;
    const before = this.#words[at] ?? 0;
    this.#words[at] = worker;
    return before;
  }

  /** Open connections of a listener. Any thread. */
  connections(listener: number): number {
    return this.#port.load(this.#layout.slot(listener) + SlotWord.FAMILY) & CONNECTIONS_MASK;
  }

  /** Makes `listener` the parent of a new connection and counts it. The listener's owner, who is the registrar too. */
  joinParent(index: number, listener: number, generation: number): void {
    const at = this.#layout.slot(index);
    this.#words[at + SlotWord.LINK] = (listener + 1) << PARENT_SHIFT;
    this.#words[at + SlotWord.PARENT_GENERATION] = generation;
    this.#port.add(this.#layout.slot(listener) + SlotWord.FAMILY, 1);
  }

  parentGeneration(index: number): number {
    return this.#words[this.#layout.slot(index) + SlotWord.PARENT_GENERATION] ?? 0;
  }

  /** Counts a connection out. True if the listener waits for room. Any thread; nothing happens if the listener has ended. */
  leaveParent(listener: number, generation: number): boolean {
    const at = this.#layout.slot(listener) + SlotWord.FAMILY;
    for (;;) {
      const word = this.#port.load(at);
      const same = word >>> FAMILY_SHIFT === familyTag(generation);
      if (!same || (word & CONNECTIONS_MASK) === 0) return false;
      if (this.#port.compareExchange(at, word, (word & ~STARVED) - 1) === word) return (word & STARVED) !== 0;
    }
  }

  /** Says that a listener waits for room; it must look again after this. The listener's owner. */
  starve(listener: number): void {
    this.#port.or(this.#layout.slot(listener) + SlotWord.FAMILY, STARVED);
  }

  #ask(index: number, generation: number, mask: number, value: number): boolean {
    const at = this.#layout.slot(index) + SlotWord.MAILBOX;
    const tag = (generation & WORD_GENERATION_MASK) << GENERATION_SHIFT;
    for (;;) {
      const word = this.#port.load(at);
      if ((word & GENERATION_MASK) !== tag) return false;
      if (this.#port.compareExchange(at, word, (word & ~mask) | value) === word) return true;
    }
  }
}
