/**
 * One user event and everybody who touches it: posters, workers, somebody who forces the end, a registrar that uses the
 * slot again, and the supervisor of one who vanishes. Or posted items: then the registrar is the poster. The threads play
 * what user-event.ts, fd-source.ts, registrar.ts and reaper.ts do, on the real UserWords, Units and SlotTable.
 *
 * What was posted and not taken is noted in the same step as the post or the take, so each take is compared with what it
 * should have found. What is left when the threads have ended is carried on by one thread alone, as in slot-world.ts.
 */
import { expect } from 'vitest';
import type { Layout } from '../../src/slots/layout.ts';
import { Outcome, SlotTable } from '../../src/slots/table.ts';
import { Units } from '../../src/slots/units.ts';
import { emptyUserWord, isClaimed, Merge, Posted, UserWords } from '../../src/slots/user.ts';
import {
  Flag,
  FLAGS_NONE,
  flagsOf,
  generationOf,
  ownerOf,
  READY_NONE,
  Ready,
  State,
  stateOf,
  WORD_GENERATION_MASK,
} from '../../src/slots/word.ts';
import type { Port } from '../../src/sync/port.ts';
import type { Self, VirtualPort } from '../explorer/program.ts';
import { HintQueue } from './hint-queue.ts';
import { At, LAYOUT, SLOT, SLOT_GENERATION, SLOT_WORD } from './slot-words.ts';
import { SLOT_USER, UserAt } from './user-words.ts';

export const Me = { FIRST_WORKER: 2, REGISTRAR: 33, SUPERVISOR: 63 } as const;

export type UsersLike = Pick<
  UserWords,
  'post' | 'take' | 'takeLast' | 'settle' | 'waiting' | 'reap' | 'reapLast'
>;

export type UnitsLike = Pick<Units, 'begin' | 'start' | 'park' | 'settle' | 'reap'>;

/** Mistakes of those who use the words, for the tests that must find them. */
export type UserMistake =
  | 'asks for a turn before it posts'
  | 'settles without a look'
  | 'settles before the handler'
  | 'starts a unit after its handler'
  | 'never settles'
  | 'reaper overlooks the mark'
  | 'reaper overlooks what waits'
  | 'reaper gives the slot away first'
  | 'last take leaves the word open';

export type UserCase = {
  readonly kind: 'event' | 'item';
  readonly merge: Merge;
  /** Generation of the first registration. */
  readonly firstGeneration?: number;
  /** Units that a turn of an event that counts delivers beyond the first. */
  readonly more?: number;
  /** The handler of the last unit of a turn is async: meanwhile its worker delivers units of another event. */
  readonly async?: boolean;
  /** Whether somebody disables and enables the event. */
  readonly controlled?: boolean;
  readonly makeUsers?: (port: Port, layout: Layout) => UsersLike;
  readonly makeUnits?: (port: Port, layout: Layout, me: number) => UnitsLike;
  readonly mistake?: UserMistake;
};

/** Another event that counts, of which only units matter, and how many of them. */
const OTHER = 0;
const MANY = 100;

/** Values of two generations and of all posts to them have no bit in common. */
const GENERATION_BITS = 8;

export class UserWorld {
  readonly table: SlotTable;
  readonly users: UsersLike;
  readonly #port: VirtualPort;
  readonly #case: UserCase;
  readonly #check: Self['check'];
  readonly #hints: HintQueue;

  constructor(port: VirtualPort, userCase: UserCase, check: Self['check']) {
    this.#port = port;
    this.#case = userCase;
    this.#check = check;
    this.table = new SlotTable(port, LAYOUT);
    this.users = (userCase.makeUsers ?? ((p, layout) => new UserWords(p, layout)))(port, LAYOUT);
    this.#hints = new HintQueue(port, 'atomic');
  }

  /** A free slot; an event is registered and armed. */
  setUp(): void {
    const generation = this.#case.firstGeneration ?? 0;
    this.#port.store(SLOT_GENERATION, generation);
    this.#port.store(SLOT_WORD, generation << 19);
    this.#port.store(SLOT_USER, emptyUserWord(generation));
    this.#port.store(UserAt.HANDLE, generation);
    if (this.#case.async === true) this.users.post(OTHER, 0, Merge.ADD, MANY);
    if (this.#case.kind === 'event') this.register();
  }

  /** UserEvent.post() by the handle that was published last; `id` makes its value unlike any other. */
  post(id: number): void {
    const generation = this.#port.load(UserAt.HANDLE);
    if (!this.table.isOf(SLOT, generation)) return;
    if (this.#case.mistake === 'asks for a turn before it posts') this.#askForPosts(generation);
    const { merge } = this.#case;
    const value = merge === Merge.COUNT ? 1 : 1 << (this.#cookieOf(generation) * GENERATION_BITS + id);
    const posted = this.users.post(SLOT, generation, merge, value);
    if (posted === Posted.STALE || posted === Posted.FULL) return;
    this.#notePost(generation, value);
    if (this.#case.mistake === 'asks for a turn before it posts') return;
    if (posted === Posted.JOINED && stateOf(this.#port.peek(SLOT_WORD)) !== State.ARMED) return;
    this.#askForPosts(generation);
  }

  /** A worker's turn: one hint, if there is one. */
  work(me: number): boolean {
    if (this.#hints.take() === 0) return false;
    const claimed = this.table.claim(SLOT, me);
    if (claimed === 0) return true;
    if (this.#case.kind === 'item') this.#item(me, claimed);
    else if ((flagsOf(claimed) & Flag.FORCED) !== 0) this.#last(me, claimed);
    else this.#turn(me, claimed);
    return true;
  }

  force(generation: number): void {
    this.#ask(generation, Flag.FORCED);
  }

  control(silent: boolean, generation: number): void {
    this.#port.store(At.MAILBOX, silent ? 1 : 0);
    this.#ask(generation, Flag.CONTROL);
  }

  /** Makes an event, or posts an item. Whether the slot could be had. */
  register(): boolean {
    if (!this.table.register(SLOT, Me.REGISTRAR)) return false;
    const generation = this.table.generation(SLOT);
    this.#port.store(At.MAILBOX, 0);
    this.#port.store(SLOT_USER, emptyUserWord(generation));
    if (this.#case.kind === 'item') {
      const posted = this.users.post(SLOT, generation, Merge.OR, 1);
      this.#check(posted === Posted.DONE, 'an item is posted by its owner');
      this.#notePost(generation, 1);
    }
    // An item wants its turn at once; an event none before it is asked for.
    const bits = this.#case.kind === 'item' ? Ready.IN : READY_NONE;
    const outcome = this.table.finish(SLOT, Me.REGISTRAR, bits, bits, false);
    this.#check(outcome !== Outcome.REFUSED, 'only the owner finishes');
    if (outcome === Outcome.PUSH) this.#push();
    this.#port.store(UserAt.HANDLE, generation);
    return true;
  }

  /** What the supervisor does once `dead` has vanished. */
  reap(dead: number): void {
    this.#port.compareExchange(At.INSIDE, dead, 0);
    if (ownerOf(this.table.word(SLOT)) === dead) {
      const hasty = this.#case.mistake === 'reaper gives the slot away first';
      if (!hasty) this.#reapPosts(dead);
      const outcome = this.table.reap(SLOT, dead, Me.SUPERVISOR, Flag.CONTROL);
      if (hasty) this.#reapPosts(dead);
      if (outcome === Outcome.PUSH) this.#push();
      else if (outcome === Outcome.DONE) this.#endForDead();
    } else if (this.table.state(SLOT) === State.QUEUED) this.#push();
    if (this.#case.mistake === 'reaper overlooks what waits') return;
    if (this.users.waiting(SLOT) !== 0) this.#ask(this.table.generation(SLOT), Flag.USER);
  }

  /** Carries on alone until nothing moves, and checks what is left then. */
  checkEnd(me: number, died: boolean): void {
    while (this.work(me));
    const word = this.table.word(SLOT);
    const silent = this.#isDisabled();
    if (stateOf(word) !== State.FREE)
      expect(stateOf(word), 'a slot in use is as was asked').toBe(silent ? State.DISABLED : State.ARMED);
    expect(generationOf(word), 'word and counter tell the same generation').toBe(
      this.table.generation(SLOT) & WORD_GENERATION_MASK,
    );
    expect(this.#port.load(At.INSIDE), 'nobody is in a handler').toBe(0);
    expect(isClaimed(this.#port.load(SLOT_USER)), 'the mark stays').toBe(false);
    const first = this.#case.firstGeneration ?? 0;
    for (let generation = first; generation <= first + 1; generation++) {
      const current = stateOf(word) !== State.FREE && this.table.generation(SLOT) === generation;
      if (current && silent) continue;
      expect(this.#port.load(this.#pendingAt(generation)), 'posted and not delivered').toBe(0);
    }
    const told = this.#port.load(UserAt.TOLD);
    expect(told, 'losses that nobody told').toBeGreaterThanOrEqual(this.#port.load(UserAt.OPEN));
    expect(told, 'told to be lost, and was not').toBeLessThanOrEqual(this.#port.load(UserAt.HELD));
    if (!died) expect(told, 'lost without a death').toBe(0);
  }

  #turn(me: number, claimed: number): void {
    if (!this.#isDisabled() && flagsOf(claimed) !== FLAGS_NONE) {
      if (this.#case.merge === Merge.COUNT) this.#units(me, claimed);
      else this.#whole(me, claimed);
    }
    const outcome = this.table.finish(SLOT, me, READY_NONE, READY_NONE, this.#isDisabled());
    this.#check(outcome !== Outcome.REFUSED, 'only the owner finishes');
    if (outcome === Outcome.PUSH) this.#push();
  }

  #whole(me: number, claimed: number): void {
    const value = this.users.take(SLOT);
    if (value === 0) return;
    this.#noteTake(generationOf(claimed), value, false);
    const early = this.#case.mistake === 'settles before the handler';
    if (early) this.#settle();
    this.#handler(me);
    if (!early) this.#settle();
  }

  #settle(): void {
    if (this.#case.mistake === 'never settles') return;
    this.users.settle(SLOT);
    this.#port.add(UserAt.HELD, -1);
  }

  /** The real code goes on until its time is over. */
  #units(me: number, claimed: number): void {
    const units = this.#unitsOf(me);
    const { mistake, more = 0, async = false } = this.#case;
    let begun = 0;
    let run = units.begin(SLOT);
    for (let calls = 1; run !== 0; calls++) {
      begun++;
      if (mistake !== 'starts a unit after its handler') units.start(begun);
      // The mark passes from the unit before to this one: it has never been given up.
      if (begun > 1) this.#port.add(UserAt.HELD, -1);
      this.#noteTake(generationOf(claimed), 1, true);
      this.#handler(me);
      if (mistake === 'starts a unit after its handler') units.start(begun);
      if (calls > more || (this.table.waitingFlags(SLOT) & ~Flag.USER) !== 0) break;
      if (begun < run) continue;
      const left = this.#settleRun(units, begun);
      begun = 0;
      if (left === 0) break;
      run = units.begin(SLOT);
    }
    if (begun === 0) return;
    if (async) {
      units.park(SLOT, begun);
      this.#check(units.begin(OTHER) > 0, 'the other event has more units than turns');
      units.start(1);
      units.settle(OTHER, 1);
    }
    if (this.#settleRun(units, begun) === 0 || mistake === 'settles without a look') return;
    this.table.request(SLOT, this.table.generation(SLOT), Flag.USER);
  }

  #settleRun(units: UnitsLike, begun: number): number {
    if (this.#case.mistake === 'never settles') return 0;
    const left = units.settle(SLOT, begun);
    this.#port.add(UserAt.HELD, -1);
    return left;
  }

  #unitsOf(me: number): UnitsLike {
    return (this.#case.makeUnits ?? ((port, layout, owner) => new Units(port, layout, owner)))(
      this.#port,
      LAYOUT,
      me,
    );
  }

  #last(me: number, claimed: number): void {
    this.#check(this.table.close(SLOT, me), 'only the owner closes');
    const open = this.#case.mistake === 'last take leaves the word open';
    const value = open ? this.users.take(SLOT) : this.users.takeLast(SLOT, this.table.generation(SLOT));
    if (value !== 0) this.#noteTake(generationOf(claimed), value, false);
    this.#handler(me);
    if (value !== 0) {
      this.users.settle(SLOT);
      this.#port.add(UserAt.HELD, -1);
    }
    this.table.endGeneration(SLOT);
    this.table.free(SLOT, me);
  }

  #item(me: number, claimed: number): void {
    if (this.users.take(SLOT) !== 0) {
      this.#noteTake(generationOf(claimed), 1, false);
      this.#handler(me);
      this.users.settle(SLOT);
      this.#port.add(UserAt.HELD, -1);
    }
    this.#check(this.table.close(SLOT, me), 'only the owner closes');
    this.table.endGeneration(SLOT);
    this.table.free(SLOT, me);
  }

  #handler(me: number): void {
    this.#check(this.#port.exchange(At.INSIDE, me) === 0, 'two handlers at once (G1)');
    this.#port.store(At.INSIDE, 0);
    this.#port.update(UserAt.OPEN, (open) => Math.max(0, open - 1));
  }

  #reapPosts(dead: number): void {
    if (this.#case.mistake === 'reaper overlooks the mark') return;
    const word = this.table.word(SLOT);
    if (stateOf(word) !== State.CLOSING) {
      const isLost =
        this.#case.merge === Merge.COUNT
          ? this.#unitsOf(Me.SUPERVISOR).reap(SLOT, dead)
          : this.users.reap(SLOT);
      if (isLost) this.#port.add(UserAt.TOLD, 1);
      return;
    }
    const lost = this.users.reapLast(SLOT, generationOf(word));
    // What waited had nobody who would have delivered it: it is as lost as what was taken.
    const pending = this.#port.exchange(this.#pendingAt(generationOf(word)), 0);
    this.#port.add(UserAt.OPEN, pending === 0 ? 0 : 1);
    this.#port.add(UserAt.HELD, pending === 0 ? 0 : 1);
    this.#port.add(UserAt.TOLD, lost ? 1 : 0);
  }

  #endForDead(): void {
    const word = this.table.word(SLOT);
    if (generationOf(word) === (this.table.generation(SLOT) & WORD_GENERATION_MASK))
      this.table.endGeneration(SLOT);
    this.#check(this.table.close(SLOT, Me.SUPERVISOR), 'the supervisor owns it');
    this.table.free(SLOT, Me.SUPERVISOR);
  }

  /** Strands.posted(). */
  #askForPosts(generation: number): void {
    if (!this.table.isAsked(SLOT, generation, Flag.USER)) this.#ask(generation, Flag.USER);
  }

  #ask(generation: number, flag: number): void {
    if (this.table.request(SLOT, generation, flag) === Outcome.PUSH) this.#push();
  }

  #push(): void {
    this.#check(this.#hints.push(), 'the ring is full (G5)');
  }

  #notePost(generation: number, value: number): void {
    this.#port.update(this.#pendingAt(generation), (pending) => {
      if (this.#case.merge === Merge.OR) return pending | value;
      return this.#case.merge === Merge.LAST ? value : pending + value;
    });
  }

  #noteTake(generation: number, value: number, one: boolean): void {
    const pending = this.#port.update(this.#pendingAt(generation), (before) => (one ? before - 1 : 0));
    const right = one ? value === 1 && pending > 0 : value === pending;
    this.#check(right, `took ${value}, and ${pending} waited`);
    this.#port.add(UserAt.OPEN, 1);
    this.#port.add(UserAt.HELD, 1);
  }

  #isDisabled(): boolean {
    return this.#case.controlled === true && this.#port.peek(At.MAILBOX) !== 0;
  }

  #pendingAt(generation: number): number {
    return UserAt.PENDING + this.#cookieOf(generation);
  }

  #cookieOf(generation: number): number {
    return (generation - (this.#case.firstGeneration ?? 0)) & 1;
  }
}
