/**
 * Turns of groups. Who has claimed a group runs the turns of its members that wait, one after the other, and gives the
 * group away only when the last handler has settled.
 *
 *     claim the group ─▶ who has joined? ─▶ next member: claim ─▶ its turn ─▶ conclude the peers that it used ─┐
 *                                               ▲                                                            │
 *                                               └──────────── until none waits, or the budget is spent ◀─────┘
 *
 * A handler that is async suspends the group: nothing else of it runs until it settles. A handler reaches the other
 * connections of its group ("peers") by seizing their slots, which only the group's owner may; each of them is concluded,
 * as if it had had a turn, when the turn of the one that used it is over.
 */
import type { Source } from '../reactor/source.ts';
import { Cause, causeOf, detailOf, Kind, kindOf, NO_HOME, Phase, Trait } from '../slots/record.ts';
import { Flag, flagsOf, READY_NONE, State, stateOf } from '../slots/word.ts';
import type { Connection } from './connection.ts';
import type { ConnectionSource, Turn } from './connection-source.ts';
import { enterTurn, type GroupTurns, type Joiner, leaveTurn, type WorkerContext } from './context.ts';

/** Turns of members in one turn of the group; then it goes to the tail of the ring (G8). */
const BUDGET = 16;
const NONE = -1;
/** A member is out of reach only while somebody gives it back that had taken a void hint, or registers it. */
const TRIES = 1000;

type Peer = { readonly turn: Turn; readonly ticket: number | undefined };

/** A turn of a group. */
type Run = {
  readonly group: number;
  readonly ref: number;
  /** Whose turn it is. */
  member: number;
  readonly peers: Peer[];
  queue: number[];
  left: number;
  /** #advance is at work on it. */
  advancing: boolean;
};

export class GroupSource implements Source, GroupTurns {
  readonly #context: WorkerContext;
  readonly #connections: ConnectionSource;
  /** By Kind. */
  readonly #sources: readonly Source[];
  readonly #runs = new Map<number, Run>();

  constructor(context: WorkerContext, connections: ConnectionSource, sources: readonly Source[]) {
    this.#context = context;
    this.#connections = connections;
    this.#sources = sources;
    context.strands.onTurnOver = (index) => this.#turnOver(index);
  }

  turn(group: number, claimed: number): void {
    const { slots, groups } = this.#context.memory;
    const run = this.#enter(group, groups.makeRef(group, slots.generation(group)), NONE);
    this.#begin(run, claimed);
    this.#advance(run);
  }

  /**
   * Makes a connection that has its turn a member. At once if the group is at rest: then it is held until that turn is over,
   * and no handler of another member runs meanwhile. Else the connection joins when its turn is over.
   */
  join(turn: Joiner, ref: number): void {
    const { slots, groups, homes, me } = this.#context.memory;
    const group = groups.groupOf(ref);
    const generation = groups.generationOf(ref);
    turn.joining = ref;
    if (generation === undefined || turn.peer || this.#runs.has(turn.index)) return;
    const home = homes.of(group);
    if (home !== NO_HOME && home !== this.#context.worker) return;
    const seized = slots.seize(group, generation, me);
    if (seized === 0) return;
    turn.joining = 0;
    const run = this.#enter(group, ref, turn.index);
    this.#setMember(run, turn.index);
    groups.begin(group, ref, seized);
    groups.admit(turn.index, ref);
    this.#note(group);
  }

  /** Takes a connection that has its turn, or is used as a peer, out of its group. */
  leave(turn: Joiner): void {
    turn.joining = 0;
    this.#context.memory.groups.leave(turn.index);
    this.#context.locals.drop(turn.index);
  }

  /** The other connections of the group whose member has its turn. */
  peersOf(member: number): Connection[] {
    const run = this.#runs.get(member);
    if (run === undefined) return [];
    const { groups } = this.#context.memory;
    this.#adopt(run);
    return groups.members(run.group).flatMap((index) => this.#peer(run, index) ?? []);
  }

  #peer(run: Run, index: number): Connection | undefined {
    const used = run.peers.find((peer) => peer.turn.index === index);
    if (used !== undefined) return this.#connections.handleOf(used.turn);
    const { slots, groups, records, me } = this.#context.memory;
    if (index === run.member || kindOf(records.config(index)) !== Kind.CONNECTION) return undefined;
    const generation = slots.generation(index);
    let word = 0;
    for (let tries = 0; word === 0 && tries < TRIES && slots.isLive(index, generation); tries++)
      word = slots.seize(index, generation, me);
    if (word === 0) return undefined;
    // It keeps its place among those that wait.
    const ticket = stateOf(word) === State.QUEUED ? groups.ticket(index) : undefined;
    const turn = this.#connections.use(index, word);
    run.peers.push({ turn, ticket });
    return this.#connections.handleOf(turn);
  }

  #enter(group: number, ref: number, member: number): Run {
    enterTurn(this.#context, group);
    return { group, ref, member, peers: [], queue: [], left: BUDGET, advancing: false };
  }

  /** What the group itself was asked. */
  #begin(run: Run, claimed: number): void {
    const { groups, records } = this.#context.memory;
    const { group, ref } = run;
    groups.begin(group, ref, claimed);
    this.#adopt(run);
    if (groups.size(group) > 0) this.#note(group);
    if ((flagsOf(claimed) & Flag.FORCED) === 0) return;
    const cause = causeOf(records.reason(group));
    const tearing = cause === Cause.TEARDOWN || cause === Cause.WORKER_DIED ? Phase.SHUT : 0;
    records.setPhase(group, records.phase(group) | Phase.ENDING | tearing);
    // At the pool's end each member is asked by itself.
    if (tearing !== 0) for (const index of groups.members(group)) this.#tearDown(group, index);
  }

  #adopt({ group, ref }: Run): void {
    const { groups, records } = this.#context.memory;
    const joined = groups.adopt(group, ref);
    if (joined.length > 0) this.#note(group);
    if ((records.phase(group) & Phase.SHUT) !== 0) for (const index of joined) this.#tearDown(group, index);
  }

  /** It has had members: if it is transient, it ends with the last one. */
  #note(group: number): void {
    const { records } = this.#context.memory;
    records.setPhase(group, records.phase(group) | Phase.OPENED);
  }

  #tearDown(group: number, index: number): void {
    const { slots, records } = this.#context.memory;
    const generation = slots.generation(index);
    const reason = records.reason(group);
    if (records.giveReason(index, generation, causeOf(reason), detailOf(reason)))
      this.#context.strands.request(index, generation, Flag.FORCED);
  }

  #advance(run: Run): void {
    if (run.advancing) return;
    run.advancing = true;
    while (run.member === NONE) {
      const peer = run.peers.pop();
      if (peer !== undefined) this.#conclude(run, peer);
      else if (!this.#next(run)) {
        this.#end(run);
        break;
      }
    }
    run.advancing = false;
  }

  #conclude(run: Run, { turn, ticket }: Peer): void {
    const { slots, groups } = this.#context.memory;
    const { index } = turn;
    this.#setMember(run, index);
    this.#connections.conclude(turn);
    if (ticket !== undefined && slots.state(index) === State.QUEUED) groups.setTicket(index, ticket);
  }

  /** The turn of the next member. False if there is none, or too many were there already. */
  #next(run: Run): boolean {
    const { slots, groups, records, me } = this.#context.memory;
    if (run.left === 0) return false;
    run.left--;
    if (run.queue.length === 0) {
      this.#adopt(run);
      run.queue = groups.waiting(run.group);
    }
    const index = run.queue.shift();
    if (index === undefined) return false;
    // One that a handler has used as a peer and taken out may be in another group by now, whose owner runs its turns.
    if (groups.refOf(index) !== run.ref) return true;
    const claimed = slots.claim(index, me);
    if (claimed === 0 || !this.#context.strands.follow(index, claimed)) return true;
    groups.setTicket(index);
    this.#setMember(run, index);
    this.#sources[kindOf(records.config(index))]?.turn(index, claimed);
    return true;
  }

  #setMember(run: Run, index: number): void {
    run.member = index;
    this.#runs.set(index, run);
    this.#context.strands.groupTurns = this.#runs.size;
  }

  #turnOver(index: number): void {
    const run = this.#runs.get(index);
    if (run === undefined) return;
    this.#runs.delete(index);
    this.#context.strands.groupTurns = this.#runs.size;
    run.member = NONE;
    this.#advance(run);
  }

  #end(run: Run): void {
    const { slots, groups, records } = this.#context.memory;
    const { strands } = this.#context;
    const { group } = run;
    const transient = (records.config(group) & Trait.TRANSIENT) !== 0;
    const mayEnd = transient ? Phase.ENDING | Phase.OPENED : Phase.ENDING;
    this.#adopt(run);
    const over = (records.phase(group) & mayEnd) !== 0 && groups.size(group) === 0;
    const ends = over && groups.closeInbox(group) && strands.beginEnd(group);
    leaveTurn(this.#context, group);
    if (ends) {
      strands.end(group, false);
      return;
    }
    // Members that wait: also those that its budget had no room for.
    if (over || groups.waiting(group).length > 0) slots.request(group, slots.generation(group), Flag.USER);
    strands.finish(group, READY_NONE, READY_NONE, false);
  }
}
