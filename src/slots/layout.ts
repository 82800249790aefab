/**
 * The shared bytes of a pool, all but those of buffers (slots/buffers.ts) and states (slots/states.ts), in one Int32Array over
 * one SharedArrayBuffer. Indexes are words of 4 bytes; a line is 16 words, a cache line. Nobody else invents an index.
 * `test/slots/layout.test.ts` pins what is drawn here.
 *
 *     line 0        config: written once before any worker starts, then only read (concurrency, monitored: by the app)
 *     line 1..15    one hot word each (a line each, so that two of them never share a cache line)
 *     line 16..     32 worker lines (parking word, stamp, descriptors), one line a worker
 *     then          63 counter blocks of two lines, one for each owner: doubles, each written by one thread only
 *     then          the poller's batch: BATCH entries of 4 words, written by the kernel
 *     then          the ring: `ringCapacity` cells
 *     then          the slots: one line a slot, index = fd number; then those of sources without a descriptor (user
 *                   events, posted items)
 *     then          the places in groups: 4 words a slot, touched for members of groups only; slots/groups.ts
 *     then          the overflow: one bit a hint, those of the slots and of the poll
 *     then          the times: half a line a slot, touched only by slots that have timeouts
 *     then          the marks of slots whose times have changed: one bit a slot, and one bit for each 32 of those
 *     then          the mailboxes: for each of 32 workers three lines, MAILBOX_CAPACITY cells, and one bit a hint; touched
 *                   only if a slot lives there
 *
 * A slot (16 words = 64 bytes):
 *
 *      0 word        { generation:13, owner:6, flags:4, ready:6, state:3 }   anybody, by CAS, through slots/word.ts
 *      1 generation  all 32 bits                                            owner, while CLOSING, before close(fd)
 *      2 config      { handler:12, kind:3, mode:1, own:1, stream:1, halfOpen:1, auto:1, pri:1, merge:2, times:3, home + 1:6 }   registrar; owner: own, stream, times; home by and, by who ends it
 *      3 mailbox     { generation:13, held:1, disabled:1, events:6 }        anybody, by CAS: the state that is asked for
 *      4 cookieLo    5 cookieHi: the user's 64 bits; of a posted item: its value, a double   registrar
 *        members     of a group: its first member + 1;  5 count of its members   owner
 *      6 reason      { generation:13, kind:3, detail:16 }                   first forcer, by CAS from "none of this generation"
 *      7 census      whether it is counted: 0 out, 1 moving, 2 in             owner, through slots/census.ts
 *      8 activity    CLOCK at its last activity, if it has an idle timeout   owner, plain; monitor reads
 *      9 group       { generation:12, source + 1:20 } of its group, 0 none  owner
 *     10 parent      an accepted connection: its listener's generation      registrar
 *        connect     of one that connects: when its time is over, or the errno that it has failed with   registrar
 *        begun       of an event that counts, while the handler of a unit is pending: units in its value that were begun   owner; slots/units.ts
 *     11 link        { parent + 1 : 21, phase : 11 }                        owner
 *     12 input       block of unread input, 0 none                          owner
 *     13 output      block of unsent output, 0 none                         owner
 *     14 running     worker whose handler runs now, 0 none: the exclusivity check   owner, plain
 *     15 family      of a listener: { 1 : 1, generation : 10, starved : 1, connections : 20 }   any owner, by CAS
 *        user        of any other: { 0 : 1, generation : 7, claimed : 1, value : 23 }           any poster, by CAS; slots/user.ts
 *        inbox       of a group: a user word whose value is a slot that has joined, + 1   any joiner, by CAS
 *
 * A slot's times (8 words = 32 bytes; slots/timeouts.ts). Milliseconds and stamps of the pool's clock:
 *
 *      0 idle, 1 read, 2 write: how long they may last, 0 for ever; of a timer: 0 is its period     registrar
 *      3 readDue, 4 writeDue: when the message, the output must have moved on; 0 while neither waits   owner
 *      5 due         the deadline, 0 none; of a timer: its next expiry, by CAS      owner; of a timer: any thread
 *      6 judged      the activity since which the idle time is over            monitor, before it asks for the turn
 *
 * Plain (non-atomic) access is made only by the owner of an ACTIVE or CLOSING slot; the CAS of claim and finish
 * order it before and after. The monitor reads times plainly too: what it sees is a guess that the owner checks, and who
 * brings a time forward marks the slot after it.
 */

import { markWords } from '../sync/marks.ts';
import { overflowWords } from '../sync/overflow.ts';

export const LAYOUT_VERSION = 9;
export const LINE = 16;
export const MAX_WORKERS = 32;

/** Slot owners (6 bits, 0 is nobody): workers 1-32, the main thread, attached threads, the supervisor (and monitor). */
export const Owner = { FIRST_WORKER: 1, MAIN: 33, FIRST_ATTACHED: 34, SUPERVISOR: 63 } as const;
/** Workers of the app that may be attached at once. */
export const MAX_ATTACHED: number = Owner.SUPERVISOR - Owner.FIRST_ATTACHED;

export const Config = {
  VERSION: 0,
  MAX_FDS: 1,
  RING_CAPACITY: 2,
  MAX_THREADS: 3,
  CONCURRENCY: 4,
  EPOLL_FD: 5,
  WAKE_FD: 6,
  STOP_FD: 7,
  SAFETY_TIMEOUT_MS: 8,
  /** When to wake: packed by reactor/wake-policy.ts. */
  WAKE_POLICY: 9,
  GRACE_MS: 10,
  MONITORED: 11,
  HIGH_WATER_MARK: 12,
  MAX_INPUT: 13,
  MAX_OUTPUT: 14,
  MAX_SOURCES: 15,
} as const;

/** There is one poll hint; when it may have been lost with a dead worker, the next of these takes its place. */
export const POLL_HINTS = 8;

/** Hot words: each begins a line (a multiple of 16), beside it only what is touched at the same moments. */
export const Word = {
  /** Phase of the pool, written by the app's thread; beside it how often the runnable workers were asked to look at the limit
   *  again, how often the epoll set was replaced, and the number of the former one, 0 before the first time. All change rarely
   *  and are read, plainly, before each hint. */
  PHASE: 16,
  REVIEWS: 17,
  EPOCH: 18,
  FORMER_SET: 19,
  RING_HEAD: 32,
  RING_TAIL: 48,
  /** Bitmap of parked workers; the clock of their stamps beside it is touched at the same moments. */
  PARKED: 64,
  PARK_CLOCK: 65,
  /** Whether a woken worker is still looking for work; what a wake-up costs, in nanoseconds, beside it. */
  SEARCHER: 80,
  WAKE_COST: 81,
  /** Bitmap of runnable workers. */
  RUNNABLE: 96,
  /** { which poll hint is valid : 3, waits in the kernel : 1, holder as slot owner : 8 }; holder 0 while it is in the ring. */
  POLLER: 112,
  /** Whether the monitor sleeps; beside it its descriptors, never changed, and what was seen last: when, in microseconds, and
   *  the ring's tail. */
  MONITOR: 128,
  MONITOR_TIMER: 129,
  MONITOR_SET: 130,
  SEEN_AT: 131,
  SEEN_TAIL: 132,
  /** Never changed: whether the pool was made in a Worker, which may be terminated. */
  NESTED: 133,
  /** Hints that the ring had no room for: how many there ever were, how many of them are gone for certain, a cursor. */
  OVERFLOWED: 144,
  OVERFLOW_SWEPT: 145,
  OVERFLOW_CURSOR: 146,
  /** Live registrations. */
  REGISTERED: 160,
  /** Lock of the buffer allocator. */
  BUFFER_LOCK: 176,
  /** In which order members of groups became ready. */
  GROUP_CLOCK: 192,
  /** Bitmap of workers that have mail, and found no place among the runnable ones. */
  WAITERS: 208,
  /** Whether slots are marked as having new times. */
  MARKED: 224,
  /** The coarse clock, a stamp: written by the monitor at each tick, read by every turn that pushes an idle timeout ahead. */
  CLOCK: 240,
  /** When the clock began, in nanoseconds of the machine's monotonic clock: 64 bits, never changed. */
  ORIGIN_LO: 241,
  ORIGIN_HI: 242,
} as const;

const WORKERS = 16 * LINE;
const COUNTER_LINES = 2;
const COUNTERS = WORKERS + MAX_WORKERS * LINE;
/** One block for each owner. */
export const COUNTER_BLOCKS: number = Owner.SUPERVISOR;
export const countersOf = (owner: number): number => owner - 1;
const BATCH = COUNTERS + COUNTER_BLOCKS * COUNTER_LINES * LINE;
/** Events that one epoll_wait may return. */
export const BATCH_EVENTS = 256;
/** An event is 12 bytes on x86-64 and 16 elsewhere: room for the larger. */
const BATCH_WORDS = BATCH_EVENTS * 4;
const RING = BATCH + BATCH_WORDS;

/** Words of a worker's line. */
export const WorkerWord = {
  STATE: 0,
  STAMP: 1,
  /** eventfd that wakes this worker when it sleeps in its own epoll set. */
  EVENT_FD: 2,
  /** Thread id of the kernel. */
  TID: 3,
  /** WorkerPhase. */
  PHASE: 4,
  /** Bits of {@link Call}, set by others, cleared by the worker before it looks. */
  ATTENTION: 5,
  /** epoll sets in which this worker waits together with its event loop: as the poller, and parked. */
  POLL_SET: 6,
  PARK_SET: 7,
  /** Node's id of the thread that has attached itself as this worker, 0 while none has. */
  THREAD: 8,
  /** RetireState. */
  RETIRE: 9,
  /** Whether its mailbox is open: it is there, and slots may live in it. */
  OPEN: 10,
  /** Sticky slots that live in it, or a few more. */
  STRANDS: 11,
  /** What slots/units.ts delivers here: a slot + 1, and how many of its units were begun. The worker; the reaper. */
  UNITS_OF: 12,
  UNITS: 13,
} as const;

/** What a worker should look at: its pending handlers, its mailbox. */
export const Call = { PENDING: 1, MAIL: 2 } as const;

/** ASKED by the app's thread, the rest by the worker: it will run nothing any more, and its thread is about to end. */
export const RetireState = { NONE: 0, ASKED: 1, AGREED: 2, LEFT: 3 } as const;
export type RetireState = (typeof RetireState)[keyof typeof RetireState];

export const WorkerPhase = { ABSENT: 0, STARTING: 1, RUNNING: 2, PARKED: 3, POLLING: 4, STOPPED: 5 } as const;
export type WorkerPhase = (typeof WorkerPhase)[keyof typeof WorkerPhase];

/** Doubles of a counter block. Each block has one writer. */
export const Counter = {
  HANDLED: 0,
  TAKEN: 1,
  DROPPED: 2,
  POLLS: 3,
  PARKS: 4,
  WAKES: 5,
  STALE: 6,
  REBUILDS: 7,
  RESCUED: 8,
  VIOLATIONS: 9,
  RING_HIGH_WATER: 10,
  ACCEPTED: 11,
  WAKES_SENT: 12,
  BLOCKED: 13,
} as const;
export type Counter = (typeof Counter)[keyof typeof Counter];

export const SlotWord = {
  WORD: 0,
  GENERATION: 1,
  CONFIG: 2,
  MAILBOX: 3,
  COOKIE_LO: 4,
  COOKIE_HI: 5,
  /** Of a group, in place of the cookie. */
  MEMBERS: 4,
  MEMBER_COUNT: 5,
  REASON: 6,
  CENSUS: 7,
  ACTIVITY: 8,
  GROUP: 9,
  PARENT_GENERATION: 10,
  CONNECT: 10,
  /** Of an event that counts. */
  BEGUN: 10,
  LINK: 11,
  INPUT: 12,
  OUTPUT: 13,
  RUNNING: 14,
  FAMILY: 15,
  USER: 15,
} as const;

/** A slot's place in its group. */
export const MemberWord = {
  /** Neighbours in the list, + 1: the group's owner. */
  NEXT: 0,
  PREVIOUS: 1,
  /** The one below in the inbox, + 1: the joiner. */
  INBOX: 2,
  /** When it became ready: who made it so. */
  TICKET: 3,
} as const;
const MEMBER_WORDS = 4;
/** Words of a slot's times. */
export const TimeWord = {
  IDLE_MS: 0,
  READ_MS: 1,
  WRITE_MS: 2,
  READ_DUE: 3,
  WRITE_DUE: 4,
  DUE: 5,
  JUDGED: 6,
  /** Of a timer, in the place of IDLE_MS. */
  PERIOD_MS: 0,
} as const;
const TIME_WORDS = 8;

/** Words of a mailbox; head and tail are in lines of their own. */
export const MailboxWord = {
  HEAD: 0,
  TAIL: 16,
  OVERFLOWED: 32,
  OVERFLOW_SWEPT: 33,
  OVERFLOW_CURSOR: 34,
  CELLS: 48,
} as const;
/** Hints that a mailbox holds in order; more of them are in a set. */
export const MAILBOX_CAPACITY = 64;

/** Where everything is, for a pool of this size. */
export class Layout {
  readonly maxFds: number;
  readonly ringCapacity: number;
  /** Slots in all: of descriptors, then of sources without one. */
  readonly slotCount: number;
  readonly ring: number = RING;
  readonly slots: number;
  readonly #members: number;
  readonly overflow: number;
  readonly overflowWords: number;
  readonly times: number;
  readonly marks: number;
  readonly #mailboxes: number;
  readonly #mailboxWords: number;
  /** Words in all. */
  readonly length: number;

  constructor(maxFds: number, ringCapacity: number, maxSources = 0) {
    this.maxFds = maxFds;
    this.ringCapacity = ringCapacity;
    this.slotCount = maxFds + maxSources;
    this.slots = Math.ceil((RING + ringCapacity) / LINE) * LINE;
    this.#members = this.slots + this.slotCount * LINE;
    this.overflow = this.#members + this.slotCount * MEMBER_WORDS;
    this.overflowWords = overflowWords(this.slotCount + POLL_HINTS);
    this.times = Math.ceil((this.overflow + this.overflowWords) / LINE) * LINE;
    this.marks = this.times + this.slotCount * TIME_WORDS;
    this.#mailboxes = Math.ceil((this.marks + markWords(this.slotCount)) / LINE) * LINE;
    this.#mailboxWords = Math.ceil((MailboxWord.CELLS + MAILBOX_CAPACITY + this.overflowWords) / LINE) * LINE;
    this.length = this.#mailboxes + MAX_WORKERS * this.#mailboxWords;
  }

  /** Indexes from this on are no slots: their hints stand for the poll. */
  get pollIndex(): number {
    return this.slotCount;
  }

  get byteLength(): number {
    return this.length * Int32Array.BYTES_PER_ELEMENT;
  }

  slot(index: number): number {
    return this.slots + index * LINE;
  }

  member(index: number): number {
    return this.#members + index * MEMBER_WORDS;
  }

  /** First of a slot's times. */
  timesOf(index: number): number {
    return this.times + index * TIME_WORDS;
  }

  worker(id: number): number {
    return WORKERS + id * LINE;
  }

  mailbox(worker: number): number {
    return this.#mailboxes + worker * this.#mailboxWords;
  }

  /** In doubles, for a Float64Array over the same memory. */
  counters(block: number): number {
    return (COUNTERS + block * COUNTER_LINES * LINE) / 2;
  }

  get batch(): number {
    return BATCH;
  }
}

/** Reads the layout that the words themselves describe. */
export function layoutOf(words: Int32Array): Layout {
  return new Layout(
    words[Config.MAX_FDS] ?? 0,
    words[Config.RING_CAPACITY] ?? 0,
    words[Config.MAX_SOURCES] ?? 0,
  );
}
