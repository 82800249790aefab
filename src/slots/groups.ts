/**
 * Groups: slots of which at most one has a turn at a time. A group is a slot itself, without a descriptor; who owns it owns
 * the turns of its members, so the ring carries the group's hint and never a member's.
 *
 * A member names its group in its slot, { generation : 12, source + 1 : 20 }; that is the truth. The list of a group's
 * members is beside the slots, and can be made again from them.
 *
 *     member enters QUEUED ──▶ ticket ──▶ request(group, USER)          (the pusher; a group at rest is pushed)
 *     joiner: names the group ──▶ inbox (a stack; the group's user word, with its generation) ──▶ gives the slot away
 *     owner of the group: takes the inbox ─▶ members that are QUEUED, by ticket ─▶ their turns, one after the other
 *
 * M1  What names a member's group is changed only by the owner of the member, while that is ACTIVE. So a pusher that reads
 *     an older or a newer one than there was at its transition owes nothing: the member has been claimed since.
 * M2  The list is changed only by the owner of the group. A member leaves it, or ends, only in a turn of the group.
 * M3  A pusher makes the member QUEUED before it requests the group's turn; the group's owner looks at its members after
 *     its claim and before its finish: one of the two sees the other.
 * M4  Tickets are of one clock, drawn after the transition: of two pushes of which one ended before the other began, the
 *     first has the smaller ticket. Who is QUEUED without a ticket is still being pushed, and comes last.
 * M5  Nothing that a vanished thread leaves half-done is needed: the supervisor requests the turns of all QUEUED members
 *     again, and Flag.CONTROL has the next owner make the list again from the slots, before anything else. A member that was
 *     ending names no group any more before its group has that owner.
 */
import type { Port } from '../sync/port.ts';
import { type Layout, LINE, MemberWord, SlotWord, Word } from './layout.ts';
import { Outcome, type SlotTable } from './table.ts';
import { isUserWordOf, MAX_USER_VALUE, valueOf } from './user.ts';
import { Flag, flagsOf, State } from './word.ts';

const SOURCE_BITS = 20;
const SOURCE_MASK = (1 << SOURCE_BITS) - 1;
const GENERATION_MASK = 0xfff;
/** In the inbox: nobody may join any more. */
const CLOSED = MAX_USER_VALUE;
const NO_TICKET = 0;

export const NO_GROUP = 0;

/** The slots' part of groups: little enough to be explored. */
export type GroupSlots = Pick<
  SlotTable,
  'state' | 'isQueued' | 'generation' | 'request' | 'isLive' | 'count'
>;

export class GroupTable {
  readonly #port: Port;
  readonly #layout: Layout;
  readonly #slots: GroupSlots;
  readonly #first: number;

  constructor(port: Port, layout: Layout, slots: GroupSlots) {
    this.#port = port;
    this.#layout = layout;
    this.#slots = slots;
    this.#first = layout.slot(0) + SlotWord.GROUP;
  }

  /** What a slot names as its group, NO_GROUP for none. As of a plain read: after a transition of the slot that is fresh enough (M1). */
  refOf(index: number): number {
    return this.#port.peek(this.#first + index * LINE);
  }

  /** What the members of this group name. */
  makeRef(group: number, generation: number): number {
    return ((generation & GENERATION_MASK) << SOURCE_BITS) | (group - this.#layout.maxFds + 1);
  }

  groupOf(ref: number): number {
    return this.#layout.maxFds + (ref & SOURCE_MASK) - 1;
  }

  /** The generation of the group that is named, undefined if that has ended. */
  generationOf(ref: number): number | undefined {
    const group = this.groupOf(ref);
    const generation = this.#slots.generation(group);
    const same = (generation & GENERATION_MASK) === ref >>> SOURCE_BITS;
    return same && this.#slots.isLive(group, generation) ? generation : undefined;
  }

  /**
   * A slot has entered QUEUED: the slot whose hint must be pushed now, undefined if none. Who made the transition; without
   * a group it costs one plain read.
   */
  toPush(index: number): number | undefined {
    return this.refOf(index) === NO_GROUP ? index : this.#pushMember(index);
  }

  #pushMember(index: number): number | undefined {
    let asked = NO_GROUP;
    for (;;) {
      const ref = this.#port.load(this.#layout.slot(index) + SlotWord.GROUP);
      // The group has ended: the slot is on its own.
      if (ref === NO_GROUP || ref === asked) return index;
      this.#port.store(this.#member(index, MemberWord.TICKET), this.#draw());
      const outcome = this.requestTurn(ref, Flag.USER);
      if (outcome !== Outcome.REFUSED) return outcome === Outcome.PUSH ? this.groupOf(ref) : undefined;
      asked = ref;
    }
  }

  /** Asks something of a group's owner. Any thread. PUSH: push the group's hint. */
  requestTurn(ref: number, flag: number): Outcome {
    const group = this.groupOf(ref);
    const generation = this.#slots.generation(group);
    if ((generation & GENERATION_MASK) !== ref >>> SOURCE_BITS) return Outcome.REFUSED;
    return this.#slots.request(group, generation, flag);
  }

  /** Puts a slot into the group's inbox. Owner of the slot, who gives it away after this. False if the group has ended. */
  enlist(index: number, ref: number): boolean {
    this.#claimPlace(index, ref);
    const at = this.#inboxOf(this.groupOf(ref));
    for (;;) {
      const word = this.#port.load(at);
      if (!isUserWordOf(word, ref >>> SOURCE_BITS) || valueOf(word) === CLOSED) break;
      this.#port.store(this.#member(index, MemberWord.INBOX), valueOf(word));
      const next = word - valueOf(word) + index + 1;
      if (this.#port.compareExchange(at, word, next) === word) return true;
    }
    this.#port.store(this.#layout.slot(index) + SlotWord.GROUP, NO_GROUP);
    return false;
  }

  /** Makes a slot a member at once. Owner of both. */
  admit(index: number, ref: number): void {
    this.#claimPlace(index, ref);
    this.#link(this.groupOf(ref), index);
  }

  /** Takes a slot out of its group. Owner of both; or of a slot whose group has ended. */
  leave(index: number): void {
    const ref = this.refOf(index);
    if (ref === NO_GROUP) return;
    if (this.generationOf(ref) !== undefined) this.#unlink(this.groupOf(ref), index);
    this.#port.store(this.#layout.slot(index) + SlotWord.GROUP, NO_GROUP);
  }

  /** A slot names no group any more; the list is made again later. Owner of the slot, of no group. */
  forget(index: number): void {
    this.#port.store(this.#layout.slot(index) + SlotWord.GROUP, NO_GROUP);
  }

  /** Makes members of those that have joined; returns them. Owner of the group. */
  adopt(group: number, ref: number): number[] {
    const port = this.#port;
    const at = this.#inboxOf(group);
    let word = port.load(at);
    // Not "exchange": the word may be closed, and keeps its generation.
    for (;;) {
      if (valueOf(word) === 0 || valueOf(word) === CLOSED) return [];
      const found = port.compareExchange(at, word, word - valueOf(word));
      if (found === word) break;
      word = found;
    }
    const joined: number[] = [];
    for (let place = valueOf(word); place !== 0;) {
      const index = place - 1;
      place = port.load(this.#member(index, MemberWord.INBOX));
      if (this.refOf(index) !== ref || this.#isLinked(group, index)) continue;
      this.#link(group, index);
      joined.push(index);
    }
    return joined;
  }

  /** Nobody may join any more. False if somebody has. Owner of the group. */
  closeInbox(group: number): boolean {
    const at = this.#inboxOf(group);
    const word = this.#port.load(at);
    return valueOf(word) === 0 && this.#port.compareExchange(at, word, word + CLOSED) === word;
  }

  /**
   * The first thing of who has come to own the group, by a claim or seizure of this word: makes the list again from the slots
   * if it may be in disorder.
   */
  begin(group: number, ref: number, word: number): void {
    if ((flagsOf(word) & Flag.CONTROL) === 0) return;
    const port = this.#port;
    this.adopt(group, ref);
    port.store(this.#headOf(group), 0);
    port.store(this.#countOf(group), 0);
    for (let index = 0; index < this.#slots.count; index++) {
      if (port.load(this.#layout.slot(index) + SlotWord.GROUP) !== ref) continue;
      if (this.#slots.state(index) === State.FREE) continue;
      this.#link(group, index);
    }
  }

  /** Members, those not counted that are in the inbox. Any thread. */
  size(group: number): number {
    return this.#port.load(this.#countOf(group));
  }

  /** All members. Owner of the group: nobody else changes the list, so plain reads will do. */
  members(group: number): number[] {
    const members: number[] = [];
    for (let place = this.#port.peek(this.#headOf(group)); place !== 0;) {
      members.push(place - 1);
      place = this.#port.peek(this.#member(place - 1, MemberWord.NEXT));
    }
    return members;
  }

  /**
   * Members that wait for a turn, in the order in which they became ready. Owner of the group. Whose state a plain read
   * shows too late has yet to request the group's turn, or the claim of that has ordered the read behind it (M3).
   */
  waiting(group: number): number[] {
    const ready = this.members(group).filter((index) => this.#slots.isQueued(index));
    if (ready.length < 2) return ready;
    const tickets = new Map(ready.map((index) => [index, this.ticket(index)]));
    return ready.toSorted((a, b) => compareTickets(tickets.get(a) ?? 0, tickets.get(b) ?? 0));
  }

  ticket(index: number): number {
    return this.#port.load(this.#member(index, MemberWord.TICKET));
  }

  /** Sets a ticket back, or away: a member that has its turn. Owner of the group and the member. */
  setTicket(index: number, ticket: number = NO_TICKET): void {
    this.#port.store(this.#member(index, MemberWord.TICKET), ticket);
  }

  #draw(): number {
    // Odd: never NO_TICKET, also when it wraps.
    return this.#port.add(Word.GROUP_CLOCK, 2) | 1;
  }

  /** In this order: who makes the list again must find the places empty. */
  #claimPlace(index: number, ref: number): void {
    for (const word of [MemberWord.NEXT, MemberWord.PREVIOUS, MemberWord.TICKET])
      this.#port.store(this.#member(index, word), 0);
    this.#port.store(this.#layout.slot(index) + SlotWord.GROUP, ref);
  }

  #isLinked(group: number, index: number): boolean {
    return (
      this.#port.load(this.#member(index, MemberWord.PREVIOUS)) !== 0 ||
      this.#port.load(this.#headOf(group)) === index + 1
    );
  }

  #link(group: number, index: number): void {
    const port = this.#port;
    const head = port.load(this.#headOf(group));
    port.store(this.#member(index, MemberWord.NEXT), head);
    port.store(this.#member(index, MemberWord.PREVIOUS), 0);
    if (head !== 0) port.store(this.#member(head - 1, MemberWord.PREVIOUS), index + 1);
    port.store(this.#headOf(group), index + 1);
    port.add(this.#countOf(group), 1);
  }

  #unlink(group: number, index: number): void {
    if (!this.#isLinked(group, index)) return;
    const port = this.#port;
    const next = port.load(this.#member(index, MemberWord.NEXT));
    const previous = port.load(this.#member(index, MemberWord.PREVIOUS));
    port.store(previous === 0 ? this.#headOf(group) : this.#member(previous - 1, MemberWord.NEXT), next);
    if (next !== 0) port.store(this.#member(next - 1, MemberWord.PREVIOUS), previous);
    port.store(this.#member(index, MemberWord.NEXT), 0);
    port.store(this.#member(index, MemberWord.PREVIOUS), 0);
    port.add(this.#countOf(group), -1);
  }

  #member(index: number, word: number): number {
    return this.#layout.member(index) + word;
  }

  #headOf(group: number): number {
    return this.#layout.slot(group) + SlotWord.MEMBERS;
  }

  #countOf(group: number): number {
    return this.#layout.slot(group) + SlotWord.MEMBER_COUNT;
  }

  #inboxOf(group: number): number {
    return this.#layout.slot(group) + SlotWord.USER;
  }
}

/** Of one clock that wraps; who has none comes last. */
function compareTickets(a: number, b: number): number {
  if (a === NO_TICKET || b === NO_TICKET) return Number(a === NO_TICKET) - Number(b === NO_TICKET);
  return (a - b) | 0;
}
