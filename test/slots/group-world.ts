/**
 * One group, two slots that are or become its members, and everybody who touches them: workers, a pusher, a joiner, a leaver,
 * and the supervisor of one who vanishes. The threads play what reactor.ts, strands.ts, group-source.ts, group.ts and
 * reaper.ts do, on the real GroupTable and SlotTable.
 *
 * What has come for a slot and no turn was given is noted in the same step. What is left when the threads have ended is carried
 * on by one thread alone, as in slot-world.ts.
 */
import { expect } from 'vitest';
import { GroupTable, NO_GROUP } from '../../src/slots/groups.ts';
import type { Layout } from '../../src/slots/layout.ts';
import { Outcome, SlotTable } from '../../src/slots/table.ts';
import { emptyUserWord } from '../../src/slots/user.ts';
import {
  Flag,
  flagsOf,
  generationOf,
  ownerOf,
  READY_ALL,
  READY_NONE,
  Ready,
  readyOf,
  State,
  stateOf,
  WORD_GENERATION_MASK,
} from '../../src/slots/word.ts';
import type { Port } from '../../src/sync/port.ts';
import type { Self, VirtualPort } from '../explorer/program.ts';
import { GROUP, GroupAt, INBOX, LAYOUT, MEMBERS } from './group-words.ts';

export const Me = { FIRST_WORKER: 2, MAIN: 33, SUPERVISOR: 63 } as const;

/** Mistakes of those who use the table, for the tests that must find them. */
export type GroupMistake =
  | 'strays are not looked for'
  | 'a claim that met a joiner is kept'
  | 'pushes the member'
  | 'asks the group before the member is queued'
  | 'forgets whom its budget has no room for'
  | 'reaper has no list made again'
  | 'reaper gives the group away first';

export type GroupCase = {
  /** Which slots are members from the beginning. */
  readonly members: readonly number[];
  /** The one that joins in a turn of its own. */
  readonly joins?: number;
  /** Turns of members in a turn of the group. */
  readonly budget?: number;
  readonly makeGroups?: (port: Port, layout: Layout, slots: SlotTable) => GroupTable;
  readonly mistake?: GroupMistake;
};

/** Something has come for the first, the second slot that no turn was given; for the second while the first waited. */
const Note = { FIRST: 1, SECOND: 2, BEHIND: 4 } as const;

const HINT_BITS = 2;
const HINT_MASK = (1 << HINT_BITS) - 1;
/** Room for hints in a word that is not negative. */
const MOST_HINTS = 15;

export class GroupWorld {
  readonly table: SlotTable;
  readonly groups: GroupTable;
  readonly #port: VirtualPort;
  readonly #case: GroupCase;
  readonly #check: Self['check'];

  constructor(port: VirtualPort, groupCase: GroupCase, check: Self['check']) {
    this.#port = port;
    this.#case = groupCase;
    this.#check = check;
    this.table = new SlotTable(port, LAYOUT);
    const make = groupCase.makeGroups ?? ((p, layout, slots) => new GroupTable(p, layout, slots));
    this.groups = make(port, LAYOUT, this.table);
  }

  /** All slots are registered and at rest. */
  setUp(): void {
    for (const index of [...MEMBERS, GROUP]) this.table.register(index, Me.MAIN);
    this.#port.store(INBOX, emptyUserWord(0));
    for (const index of this.#case.members) this.groups.admit(index, this.#ref);
    for (const index of [...MEMBERS, GROUP]) this.table.finish(index, Me.MAIN, READY_NONE, READY_NONE, false);
  }

  /** Something happens to a slot: poller, or poster. */
  deliver(index: number, behind = false): Outcome {
    const early = this.#case.mistake === 'asks the group before the member is queued';
    if (early) this.#pushFor(index);
    const outcome = this.table.deliver(index, 0, Ready.IN);
    if (outcome === Outcome.REFUSED) return outcome;
    this.#note(index, behind);
    if (outcome === Outcome.PUSH && !early) this.#pushFor(index);
    return outcome;
  }

  /** One happens to the first slot, then one to the second: if the first waits, its turn comes first. */
  deliverBoth(): void {
    const first = this.deliver(0);
    this.deliver(1, first === Outcome.PUSH);
  }

  /** A worker's turn: one hint, if there is one. */
  work(me: number): boolean {
    const hint = this.#port.update(GroupAt.QUEUE, (hints) => hints >>> HINT_BITS) & HINT_MASK;
    if (hint === 0) return false;
    if (hint - 1 === GROUP) this.#groupTurn(me);
    else this.#ownTurn(me, hint - 1);
    return true;
  }

  /** Group.add() of another thread. Whether there is nothing left to try. */
  add(index: number): boolean {
    const present = this.groups.refOf(index);
    if (present !== NO_GROUP) return true;
    const word = this.table.seize(index, 0, Me.MAIN);
    if (word === 0) return !this.table.isLive(index, 0);
    if (this.groups.refOf(index) === present) this.#join(index);
    this.#restore(Me.MAIN, index, word);
    return true;
  }

  /** Group.remove() of another thread. Whether there is nothing left to try. */
  remove(index: number): boolean {
    if (this.groups.refOf(index) === NO_GROUP) return true;
    const seized = this.table.seize(GROUP, 0, Me.MAIN);
    if (seized === 0) return !this.table.isLive(index, 0);
    this.groups.begin(GROUP, this.#ref, seized);
    this.groups.adopt(GROUP, this.#ref);
    const word = this.table.seize(index, 0, Me.MAIN);
    if (word !== 0) {
      this.groups.leave(index);
      this.#restore(Me.MAIN, index, word);
    }
    this.#restore(Me.MAIN, GROUP, seized);
    this.#askGroup();
    return word !== 0 || !this.table.isLive(index, 0);
  }

  force(index: number): void {
    if (this.table.request(index, 0, Flag.FORCED) === Outcome.PUSH) this.#pushFor(index);
  }

  /** What the supervisor does once `dead` has vanished. */
  reap(dead: number): void {
    const hasty = this.#case.mistake === 'reaper gives the group away first';
    const order = hasty ? [GROUP, ...MEMBERS] : [...MEMBERS, GROUP];
    this.#port.compareExchange(GroupAt.INSIDE, dead, 0);
    for (const index of order) this.#reapSlot(index, dead);
  }

  /** Carries on alone until nothing moves, and checks what is left then. */
  checkEnd(me: number): void {
    while (this.work(me));
    expect(this.#port.load(GroupAt.INSIDE), 'nobody is in a handler').toBe(0);
    expect(stateOf(this.table.word(GROUP)), 'the group is at rest').toBe(State.ARMED);
    this.groups.begin(GROUP, this.#ref, this.table.word(GROUP));
    const named: number[] = [];
    for (const index of MEMBERS) {
      const word = this.table.word(index);
      expect(generationOf(word), 'word and counter tell the same generation').toBe(
        this.table.generation(index) & WORD_GENERATION_MASK,
      );
      if (this.groups.refOf(index) !== NO_GROUP) named.push(index);
      if (stateOf(word) === State.FREE) continue;
      expect(stateOf(word), `slot ${index} is forgotten`).toBe(State.ARMED);
      const noted = this.#port.load(GroupAt.NOTES) & (index === 0 ? Note.FIRST : Note.SECOND);
      expect(noted, `an event of slot ${index} is forgotten`).toBe(0);
    }
    expect(
      this.groups.members(GROUP).toSorted((a, b) => a - b),
      'the list is that of the slots',
    ).toEqual(named);
    expect(this.groups.size(GROUP), 'and so is the count').toBe(named.length);
  }

  get #ref(): number {
    return this.groups.makeRef(GROUP, 0);
  }

  #groupTurn(me: number): void {
    const claimed = this.table.claim(GROUP, me);
    if (claimed === 0) return;
    this.groups.begin(GROUP, this.#ref, claimed);
    this.#runGroup(me);
  }

  #runGroup(me: number): void {
    let queue: number[] = [];
    for (let left = this.#case.budget ?? 2; left > 0; left--) {
      if (queue.length === 0) {
        this.groups.adopt(GROUP, this.#ref);
        queue = this.groups.waiting(GROUP);
      }
      const index = queue.shift();
      if (index === undefined) break;
      const claimed = this.#claim(me, index);
      if (claimed === 0) continue;
      this.groups.setTicket(index);
      this.#turn(me, index, claimed, true);
    }
    this.groups.adopt(GROUP, this.#ref);
    const forgets = this.#case.mistake === 'forgets whom its budget has no room for';
    if (!forgets && this.groups.waiting(GROUP).length > 0) this.table.request(GROUP, 0, Flag.USER);
    this.#finish(me, GROUP, READY_NONE);
  }

  /** A hint of a slot: it has its turn if it is in no group. */
  #ownTurn(me: number, index: number): void {
    if (this.#isStray(index)) return;
    const claimed = this.#claim(me, index);
    if (claimed === 0) return;
    if (this.#case.mistake !== 'a claim that met a joiner is kept' && this.#isStray(index))
      this.#restore(me, index, claimed);
    else this.#turn(me, index, claimed, false);
  }

  #isStray(index: number): boolean {
    if (this.#case.mistake === 'strays are not looked for') return false;
    const ref = this.groups.refOf(index);
    return ref !== NO_GROUP && this.groups.generationOf(ref) !== undefined;
  }

  #turn(me: number, index: number, claimed: number, grouped: boolean): void {
    const member = grouped || this.groups.refOf(index) !== NO_GROUP;
    if (member) this.#enter(me, GroupAt.INSIDE);
    this.#enter(me, GroupAt.BUSY + index);
    const joined = !grouped && this.#case.joins === index && this.#joinNow(me, index);
    this.#port.store(GroupAt.BUSY + index, 0);
    if (member || joined) this.#port.store(GroupAt.INSIDE, 0);
    if ((flagsOf(claimed) & Flag.FORCED) !== 0) this.#end(me, index);
    else this.#finish(me, index, Ready.IN);
    if (joined) this.#runGroup(me);
  }

  /** GroupSource.join(). Whether the group is this worker's now; else the slot joins as of the end of its turn. */
  #joinNow(me: number, index: number): boolean {
    const seized = this.table.seize(GROUP, 0, me);
    if (seized === 0) {
      this.#join(index);
      return false;
    }
    this.#enter(me, GroupAt.INSIDE);
    this.groups.begin(GROUP, this.#ref, seized);
    this.groups.admit(index, this.#ref);
    return true;
  }

  #enter(me: number, at: number): void {
    this.#check(this.#port.exchange(at, me) === 0, 'two handlers at once (G1)');
  }

  #end(me: number, index: number): void {
    this.#check(this.table.close(index, me), 'only the owner closes');
    this.groups.leave(index);
    this.table.endGeneration(index);
    this.table.free(index, me);
  }

  #reapSlot(index: number, dead: number): void {
    if (ownerOf(this.table.word(index)) !== dead) {
      if (this.table.state(index) === State.QUEUED) this.#pushFor(index);
      return;
    }
    if (index !== GROUP) this.#port.store(GroupAt.BUSY + index, 0);
    const ref = this.groups.refOf(index);
    const repairs = this.#case.mistake !== 'reaper has no list made again';
    const goesOn = repairs ? Flag.CONTROL : Flag.USER;
    const flag = index === GROUP ? goesOn : Flag.FORCED;
    const outcome = this.table.reap(index, dead, Me.SUPERVISOR, flag);
    if (ref !== NO_GROUP && this.groups.requestTurn(ref, goesOn) === Outcome.PUSH) this.#push(GROUP);
    if (outcome === Outcome.PUSH) this.#pushFor(index);
    else if (outcome === Outcome.DONE) this.#endForDead(index);
  }

  #endForDead(index: number): void {
    this.groups.forget(index);
    const word = this.table.word(index);
    if (generationOf(word) === (this.table.generation(index) & WORD_GENERATION_MASK))
      this.table.endGeneration(index);
    this.#check(this.table.close(index, Me.SUPERVISOR), 'the supervisor owns it');
    this.table.free(index, Me.SUPERVISOR);
  }

  /** Strands.join(). */
  #join(index: number): void {
    if (this.groups.enlist(index, this.#ref)) this.#askGroup();
  }

  #askGroup(): void {
    if (this.groups.requestTurn(this.#ref, Flag.USER) === Outcome.PUSH) this.#push(GROUP);
  }

  /** Strands.restore(). */
  #restore(me: number, index: number, word: number): void {
    if (stateOf(word) === State.QUEUED) this.table.request(index, 0, flagsOf(word));
    const outcome = this.table.finish(index, me, readyOf(word), READY_ALL, stateOf(word) === State.DISABLED);
    this.#check(outcome !== Outcome.REFUSED, 'only the owner gives back');
    if (readyOf(word) !== READY_NONE) this.#note(index);
    if (outcome === Outcome.PUSH) this.#pushFor(index);
  }

  #claim(me: number, index: number): number {
    const claimed = this.table.claim(index, me);
    if (claimed === 0) return 0;
    const over = index === 0 ? Note.FIRST | Note.BEHIND : Note.SECOND;
    const noted = this.#port.update(GroupAt.NOTES, (notes) => notes & ~over);
    const late = index === 1 && (noted & (Note.FIRST | Note.BEHIND)) === (Note.FIRST | Note.BEHIND);
    this.#check(!late, 'the second has its turn before the first');
    return claimed;
  }

  #note(index: number, behind = false): void {
    this.#port.update(GroupAt.NOTES, (notes) => {
      const isBehind = behind && (notes & Note.FIRST) !== 0;
      return notes | (index === 0 ? Note.FIRST : Note.SECOND) | (isBehind ? Note.BEHIND : 0);
    });
  }

  #finish(me: number, index: number, wanted: number): void {
    const outcome = this.table.finish(index, me, READY_NONE, wanted, false);
    this.#check(outcome !== Outcome.REFUSED, 'only the owner finishes');
    if (outcome === Outcome.PUSH) this.#pushFor(index);
  }

  /** A slot has entered QUEUED. */
  #pushFor(index: number): void {
    const slot = this.#case.mistake === 'pushes the member' ? index : this.groups.toPush(index);
    if (slot !== undefined) this.#push(slot);
  }

  #push(index: number): void {
    let count = 0;
    this.#port.update(GroupAt.QUEUE, (hints) => {
      count = 0;
      while (hints >>> (HINT_BITS * count) !== 0) count++;
      return hints | ((index + 1) << (HINT_BITS * count));
    });
    this.#check(count < MOST_HINTS, 'no room for hints');
  }
}
