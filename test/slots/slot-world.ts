/**
 * One slot and everybody who touches it: workers, a poller, a peer that sends, somebody who forces the end, and a
 * registrar to whom the kernel gives the number again. The threads play the protocol of DESIGN section 4 on the real
 * SlotTable; the kernel is kernel.ts; hints go through the real Ring, or through a word that is a queue in one step
 * (ring.test.ts shows that the two answer alike).
 *
 * Each thread makes a bounded number of turns. What is then left over is carried on by one thread alone at the end of
 * the schedule, until nothing moves: no event, no hint. That is one of the futures that the pool has; the checks must
 * hold in it.
 */
import { expect } from 'vitest';
import { Layout, SlotWord } from '../../src/slots/layout.ts';
import { Outcome, SlotTable } from '../../src/slots/table.ts';
import {
  Flag,
  flagsOf,
  generationOf,
  READY_ALL,
  READY_NONE,
  Ready,
  readyOf,
  State,
  stateOf,
  WORD_GENERATION_MASK,
} from '../../src/slots/word.ts';
import type { Port } from '../../src/sync/port.ts';
import { MAX_HINT, Ring } from '../../src/sync/ring.ts';
import type { Self, VirtualPort } from '../explorer/program.ts';
import { Kernel, type KernelEvent, type Mode } from './kernel.ts';

export const SLOT = 1;
const RING_CAPACITY = 4;
const LAYOUT = new Layout(2, RING_CAPACITY);
export const SLOT_WORD: number = LAYOUT.slot(SLOT) + SlotWord.WORD;
const HEAD = 1;
const TAIL = 2;
/** All hints, 2 bits each, oldest lowest: the queue of one step. */
const QUEUE = 3;
const KERNEL = 4;
/** Who is in a handler (G1). */
const INSIDE = 5;
/** How often `close` has begun, 4 bits for each generation (G3). */
const CLOSES = 6;
const FORCES = 7;
/** What is asked for: 1 is silence. */
const MAILBOX = 8;

export const Me = { POLLER: 1, FIRST_WORKER: 2, REGISTRAR: 33, SUPERVISOR: 63 } as const;

export type TableLike = Pick<
  SlotTable,
  | 'word'
  | 'state'
  | 'generation'
  | 'register'
  | 'takeOver'
  | 'deliver'
  | 'claim'
  | 'finish'
  | 'request'
  | 'close'
  | 'endGeneration'
  | 'free'
  | 'reap'
>;

/** Mistakes of those who use the table, for the tests that must find them. */
export type Mistake = 're-arms after ARMED' | 'reaper gives up the slot first' | 'reaper forgets the batch';

export type SlotCase = {
  readonly mode: Mode;
  readonly ring?: 'real' | 'atomic';
  /** Generation of the first registration. */
  readonly firstGeneration?: number;
  readonly makeTable?: (port: Port, layout: Layout) => TableLike;
  readonly mistake?: Mistake;
  /** Whether somebody disables and enables the registration. */
  readonly controlled?: boolean;
};

type Check = Self['check'];

/** Kept by the test beside the protocol. */
export const isNote = (at: number): boolean => at === CLOSES || at === FORCES;

/** How many hints are in the queue. */
export function hintsIn(word: (at: number) => number, slotCase: SlotCase): number {
  let count = 0;
  if (slotCase.ring === 'atomic') {
    for (let hints = word(QUEUE); hints !== 0; hints >>>= 2) count++;
  } else {
    for (let i = 0; i < RING_CAPACITY; i++) if ((word(LAYOUT.ring + i) & MAX_HINT) !== 0) count++;
  }
  return count;
}

export function nameOf(at: number): string {
  const known = ['', 'head', 'tail', 'queue', 'kernel', 'inside', 'closes', 'forces', 'mailbox'][at];
  if (known !== undefined) return known;
  if (at === SLOT_WORD) return 'word';
  if (at === LAYOUT.slot(SLOT) + SlotWord.GENERATION) return 'generation';
  return at >= LAYOUT.ring && at < LAYOUT.ring + RING_CAPACITY ? `cell[${at - LAYOUT.ring}]` : `[${at}]`;
}

export class SlotWorld {
  readonly table: TableLike;
  readonly kernel: Kernel;
  readonly #port: VirtualPort;
  readonly #case: SlotCase;
  readonly #check: Check;
  readonly #ring: Ring;

  constructor(port: VirtualPort, slotCase: SlotCase, check: Check) {
    this.#port = port;
    this.#case = slotCase;
    this.#check = check;
    this.table = (slotCase.makeTable ?? ((p, layout) => new SlotTable(p, layout)))(port, LAYOUT);
    this.kernel = new Kernel(port, KERNEL, slotCase.mode);
    this.#ring = new Ring(port, { head: HEAD, tail: TAIL, cells: LAYOUT.ring, capacity: RING_CAPACITY });
  }

  /** One fd, open, registered and armed. */
  setUp(): void {
    this.#ring.initialize();
    const generation = this.#case.firstGeneration ?? 0;
    this.#port.store(LAYOUT.slot(SLOT) + SlotWord.GENERATION, generation);
    this.#port.store(SLOT_WORD, generation << 19);
    this.kernel.open();
    this.register();
  }

  push(): void {
    if (this.#case.ring === 'atomic') this.#port.update(QUEUE, appendHint);
    else this.#check(this.#ring.push(SLOT + 1), 'the ring is full (G5)');
  }

  take(): number {
    if (this.#case.ring !== 'atomic') return this.#ring.take();
    return this.#port.update(QUEUE, (hints) => hints >>> 2) & 3;
  }

  /** The poller's turn: one event, if there is one. */
  poll(): boolean {
    const event = this.kernel.poll();
    if (event !== undefined) this.deliver(event);
    return event !== undefined;
  }

  deliver(event: KernelEvent): void {
    if (this.table.deliver(SLOT, this.#generationOf(event.cookie), Ready.IN) === Outcome.PUSH) this.push();
    this.kernel.clearBatch();
  }

  /** A worker's turn: one hint, if there is one. */
  work(me: number): boolean {
    const hint = this.take();
    if (hint === 0) return false;
    const claimed = this.table.claim(SLOT, me);
    if (claimed !== 0) this.#handle(me, claimed);
    return true;
  }

  /** Asks for the end of the registration that is there now. Whether it was accepted: then `close` will run. */
  force(generation: number): boolean {
    const outcome = this.table.request(SLOT, generation, Flag.FORCED);
    if (outcome === Outcome.PUSH) this.push();
    if (outcome !== Outcome.REFUSED) this.#port.or(FORCES, 1 << this.#cookieOf(generation));
    return outcome !== Outcome.REFUSED;
  }

  /** Changes what is asked for, and tells the owner to look. */
  control(silent: boolean, generation: number): void {
    this.#port.store(MAILBOX, silent ? 1 : 0);
    if (this.table.request(SLOT, generation, Flag.CONTROL) === Outcome.PUSH) this.push();
  }

  /** Takes the slot for the file that the number stands for now. Whether it could be had. */
  register(): boolean {
    if (!this.table.register(SLOT, Me.REGISTRAR) && !this.table.takeOver(SLOT, Me.REGISTRAR)) return false;
    const generation = this.table.generation(SLOT);
    const cookie = this.#cookieOf(generation);
    this.#check(this.kernel.watch(cookie), 'the number is watched already');
    // The first turn ends without a re-arm: ADD has armed it. What came meanwhile is in the word.
    const outcome = this.table.finish(SLOT, Me.REGISTRAR, READY_NONE, READY_ALL, false);
    this.#check(outcome !== Outcome.REFUSED, 'only the owner finishes');
    if (outcome === Outcome.PUSH) this.push();
    return true;
  }

  /** What the supervisor does once `dead` has vanished. */
  reap(dead: number): void {
    this.#port.compareExchange(INSIDE, dead, 0);
    const outcome = this.table.reap(SLOT, dead, Me.SUPERVISOR);
    if (outcome === Outcome.PUSH) this.push();
    if (outcome === Outcome.DONE) this.#endForDead();
    if (outcome === Outcome.REFUSED && this.table.state(SLOT) === State.QUEUED) this.push();
    const { batch } = this.kernel;
    if (batch !== undefined && this.#case.mistake !== 'reaper forgets the batch') this.deliver(batch);
  }

  /** Carries on alone until nothing moves, and checks what is left then. */
  checkEnd(me: number, died: boolean): void {
    // A registrar that got the number back, and no chance yet to take the slot, gets it now.
    const { file, watched } = this.kernel.look();
    if (file !== 0 && watched === 0) this.#check(this.register(), 'the slot can be had once all is done');
    while (this.poll() || this.work(me));

    const fd = this.kernel.look();
    const word = this.table.word(SLOT);
    expect(this.#port.load(INSIDE), 'nobody is in a handler').toBe(0);
    const rest = this.#isDisabled() ? State.DISABLED : State.ARMED;
    expect(stateOf(word), 'a file is as was asked, a closed number free').toBe(
      fd.file === 0 ? State.FREE : rest,
    );
    if (!this.#isDisabled()) expect(fd.unread, 'data that nobody was told of (G2)').toBe(0);
    expect(generationOf(word), 'word and counter tell the same generation').toBe(
      this.table.generation(SLOT) & WORD_GENERATION_MASK,
    );
    for (let cookie = 0; cookie < fd.nextFile; cookie++) {
      const forced = ((this.#port.load(FORCES) >>> cookie) & 1) !== 0;
      const closes = this.#closes(cookie);
      if (forced && !died) expect(closes, 'close runs once if it was asked for (G3)').toBe(1);
      if (!forced && !died) expect(closes, 'close runs only if it was asked for').toBe(0);
      expect(closes, 'close runs at most once (G3)').toBeLessThanOrEqual(1);
    }
  }

  #handle(me: number, claimed: number): void {
    const cookie = this.#cookieOf(generationOf(claimed));
    this.#check(this.#port.exchange(INSIDE, me) === 0, 'two handlers at once (G1)');
    this.#check(this.#closes(cookie) === 0, 'a handler after the end (G3)');
    if ((flagsOf(claimed) & Flag.FORCED) !== 0) {
      this.#close(me, cookie);
      return;
    }
    const edge = this.#case.mode === 'edge';
    // Re-arming tests anew what a oneshot fd is asked for.
    const retest = !edge && (flagsOf(claimed) & Flag.CONTROL) !== 0;
    let left = retest ? READY_NONE : readyOf(claimed);
    if (!this.#isDisabled() && (left & Ready.IN) !== 0 && !this.kernel.read()) left &= ~Ready.IN;
    this.#port.store(INSIDE, 0);
    this.#finish(me, left, this.#isDisabled(), cookie);
  }

  #close(me: number, cookie: number): void {
    this.#check(this.table.close(SLOT, me), 'only the owner closes');
    this.#port.add(CLOSES, 1 << (cookie * 4));
    this.#port.store(INSIDE, 0);
    this.table.endGeneration(SLOT);
    const file = this.kernel.close();
    this.#check(file === cookie + 1, 'closed a file of another generation (G4)');
    this.table.free(SLOT, me);
  }

  /**
   * The supervisor has taken a slot from one that was closing it, as ACTIVE: nobody can take it over. So this is the
   * time for all that is still to be done; how far the dead one came tell the kernel and the generation.
   */
  #endForDead(): void {
    const hasty = this.#case.mistake === 'reaper gives up the slot first';
    if (hasty) this.table.close(SLOT, Me.SUPERVISOR);
    const ours = this.kernel.unwatch();
    const word = this.table.word(SLOT);
    if (generationOf(word) === (this.table.generation(SLOT) & WORD_GENERATION_MASK))
      this.table.endGeneration(SLOT);
    if (ours)
      this.#check(this.kernel.close() === this.#cookieOf(generationOf(word)) + 1, 'closed a later file (G4)');
    if (!hasty) this.#check(this.table.close(SLOT, Me.SUPERVISOR), 'the supervisor owns it');
    this.table.free(SLOT, Me.SUPERVISOR);
  }

  #finish(me: number, left: number, silent: boolean, cookie: number): void {
    const edge = this.#case.mode === 'edge';
    const late = this.#case.mistake === 're-arms after ARMED';
    if (!late) this.#rearm(silent, cookie);
    const outcome = this.table.finish(
      SLOT,
      me,
      edge ? left : READY_NONE,
      edge ? Ready.IN : READY_ALL,
      silent,
    );
    this.#check(outcome !== Outcome.REFUSED, 'only the owner finishes');
    if (late) this.#rearm(silent, cookie);
    if (outcome === Outcome.PUSH) this.push();
  }

  #rearm(silent: boolean, cookie: number): void {
    if (this.#case.mode === 'edge' || silent) return;
    this.#check(this.kernel.rearm() === cookie + 1, 're-armed a file of another generation (G4)');
  }

  #isDisabled(): boolean {
    return this.#case.controlled === true && this.#port.peek(MAILBOX) !== 0;
  }

  #closes(cookie: number): number {
    return (this.#port.load(CLOSES) >>> (cookie * 4)) & 15;
  }

  #cookieOf(generation: number): number {
    return (generation - (this.#case.firstGeneration ?? 0)) & 3;
  }

  #generationOf(cookie: number): number {
    return (this.#case.firstGeneration ?? 0) + cookie;
  }
}

function appendHint(hints: number): number {
  let shift = 0;
  while (hints >>> shift !== 0) shift += 2;
  return hints | ((SLOT + 1) << shift);
}
