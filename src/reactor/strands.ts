/**
 * What the owner of a slot may do with it, and how it ends a turn. The rules R1 and R5 of the design live here: every
 * `epoll_ctl` and `close` on an fd is made by the owner of its slot, and in oneshot mode the re-arm comes first, then
 * the change to ARMED.
 */
import { Epoll, type Native } from '../native/index.ts';
import { Counter, Owner } from '../slots/layout.ts';
import type { PoolMemory } from '../slots/memory.ts';
import { Cause, homeOf, Kind, kindOf, NO_HOME, Trait } from '../slots/record.ts';
import { Outcome } from '../slots/table.ts';
import { NO_LIMITS } from '../slots/timeouts.ts';
import { Flag, flagsOf, READY_ALL, READY_NONE, Ready, readyOf, State, stateOf } from '../slots/word.ts';
import type { Dispatcher, DispatcherKernel } from './dispatcher.ts';
import { EpollSet, lacksMeans, type SetKernel } from './epoll-set.ts';
import { epollFromReady } from './poller.ts';
import { enqueue, enqueueHint } from './queueing.ts';

/** Edge-triggered registrations ask for everything, once and for all. */
const EDGE_BITS = Epoll.IN | Epoll.PRI | Epoll.OUT | Epoll.RDHUP | Epoll.EDGE;
/** Conditions that the kernel reports whether asked or not. */
const UNMASKABLE = Ready.ERR | Ready.HUP;
const oneshotBits = (wanted: number): number => epollFromReady(wanted & ~UNMASKABLE) | Epoll.ONESHOT;

/** What of the kernel is needed here. */
export type SlotKernel = DispatcherKernel & SetKernel & Pick<Native, 'close'>;

export class Strands {
  readonly #dispatcher: Dispatcher<PoolMemory, SlotKernel>;
  readonly #memory: PoolMemory;
  readonly #native: SlotKernel;
  readonly #set: EpollSet;

  constructor(dispatcher: Dispatcher<PoolMemory, SlotKernel>) {
    this.#dispatcher = dispatcher;
    this.#memory = dispatcher.memory;
    this.#native = dispatcher.native;
    this.#set = new EpollSet(dispatcher.memory, dispatcher.native);
  }

  /** Makes the kernel's registration of a slot that the caller has just taken. 0, or a negated errno. */
  arm(index: number, wanted: number): number {
    return this.#set.add(index, this.#bits(index, wanted));
  }

  /**
   * At the beginning of a turn: if the pool has another epoll set by now, the slot moves into it. False if it cannot, and the
   * turn is over: its next one is the last. The owner.
   */
  follow(index: number, claimed: number): boolean {
    if (!this.#set.isBehind(index)) return true;
    if (this.#move(index)) return true;
    this.restore(index, claimed);
    return false;
  }

  /** A oneshot that is wanted again is armed at the end of the turn. */
  #move(index: number): boolean {
    const result = this.#set.follow(index, this.#bits(index, 0));
    if (result < 0) this.#lose(index, result);
    return result >= 0;
  }

  /**
   * Has a slot that is behind move, or sees to it that it does. One that has its turn, or waits for it, moves by itself. Of a
   * bare oneshot only its turn knows what is wanted: it is asked for one. To a connection that would be somebody's wish, so it
   * moves here; a oneshot is armed in a turn that finds nothing to do. The app's thread.
   */
  advance(index: number): void {
    const { slots, records, me } = this.#memory;
    const generation = slots.generation(index);
    const edge = this.#isEdge(index);
    if (!edge && kindOf(records.config(index)) !== Kind.CONNECTION) {
      this.request(index, generation, Flag.CONTROL);
      return;
    }
    const state = slots.state(index);
    if (state !== State.ARMED && state !== State.DISABLED) return;
    const seized = slots.seize(index, generation, me);
    if (seized === 0 || !this.follow(index, seized)) return;
    if (!edge) slots.deliver(index, generation, Ready.OUT);
    this.restore(index, seized);
  }

  /** Whether a slot must move into another epoll set yet. Any thread: a guess, right if it had been registered before. */
  isBehind(index: number): boolean {
    return this.#set.isBehind(index);
  }

  /**
   * Ends a turn. `leftover` are bits that the owner took and did not exhaust, `wanted` those that it wants a turn for;
   * with `silent` none, until somebody asks. False if the caller was not the owner.
   */
  finish(index: number, leftover: number, wanted: number, silent: boolean): boolean {
    const outcome = this.#finish(index, leftover, wanted, silent);
    if (this.groupTurns !== 0) this.onTurnOver(index);
    return outcome !== Outcome.REFUSED;
  }

  /**
   * Ends the first turn of a slot, in a registrar that is no worker. What came meanwhile, readiness or the end of the
   * pool, is a hint that nobody in the pool knows of: the poller has delivered it to an active slot and sleeps again.
   * EPOLL_CTL_ADD has armed the fd: a re-arm would have the kernel report again what is in the word already. With
   * `turn` there is one in any case.
   */
  handOver(index: number, wanted: number, turn = false): void {
    const { slots, me } = this.#memory;
    if (turn) slots.request(index, slots.generation(index), Flag.CONTROL);
    const outcome = slots.finish(index, me, READY_NONE, this.#isEdge(index) ? wanted : READY_ALL, false);
    if (outcome === Outcome.PUSH) this.#pushLater(index);
  }

  /** In the pool without a system call while the monitor is awake; from outside it somebody must be woken. */
  #pushLater(index: number): void {
    if (this.#memory.me >= Owner.MAIN) {
      this.#pushNow(index);
      return;
    }
    // This worker looks at the queue soon; if it does not, the monitor finds the hint (D3).
    if (enqueue(this.#dispatcher, index)) this.#dispatcher.startMonitor();
  }

  #pushNow(index: number): void {
    if (enqueue(this.#dispatcher, index)) this.#dispatcher.pushed();
  }

  /** Has a slot join a group. Owner of the slot, who gives it away after this; false if the group has ended. */
  join(index: number, ref: number): boolean {
    if (!this.#memory.groups.enlist(index, ref)) return false;
    this.askGroup(ref);
    return true;
  }

  /** Asks a group's owner to look who has come and gone. Any thread. */
  askGroup(ref: number): void {
    const { groups } = this.#memory;
    if (groups.requestTurn(ref, Flag.USER) !== Outcome.PUSH) return;
    if (enqueueHint(this.#dispatcher, groups.groupOf(ref))) this.#dispatcher.pushed();
  }

  /** Gives a slot back that was seized or claimed for no turn, with what the word said then. */
  restore(index: number, word: number): void {
    const { slots, me } = this.#memory;
    const disabled = stateOf(word) === State.DISABLED;
    if (stateOf(word) === State.QUEUED) slots.request(index, slots.generation(index), flagsOf(word));
    // Wanted is what is there: a turn too many finds nothing, and its end knows what is wanted.
    const outcome = slots.finish(index, me, readyOf(word), READY_ALL, disabled);
    if (outcome === Outcome.PUSH) this.#pushLater(index);
  }

  /** Turns that this worker runs for groups, and who is told when one is over. */
  groupTurns = 0;
  onTurnOver: (index: number) => void = () => {};

  /** As handOver(), of a slot that wants its turn now: a posted item. */
  handOverQueued(index: number): void {
    const { slots, me } = this.#memory;
    // Any bit will do that is left over and wanted: it takes the slot to its queue in one step.
    const outcome = slots.finish(index, me, Ready.IN, Ready.IN, false);
    if (outcome === Outcome.PUSH) this.#pushNow(index);
  }

  #finish(index: number, leftover: number, wanted: number, silent: boolean): Outcome {
    const outcome = this.#isEdge(index)
      ? this.#finishEdge(index, leftover, wanted, silent)
      : this.#finishOneshot(index, wanted, silent);
    if (outcome === Outcome.PUSH && enqueue(this.#dispatcher, index)) {
      // A handler that settles in a turn of the event loop pushes while its worker takes no hints.
      this.#dispatcher.startMonitor();
    }
    return outcome;
  }

  #finishEdge(index: number, leftover: number, wanted: number, silent: boolean): Outcome {
    // The set was replaced during this turn: nobody would hear of it any more.
    if (this.#set.isBehind(index)) this.#move(index);
    return this.#memory.slots.finish(index, this.#memory.me, leftover, wanted, silent);
  }

  #finishOneshot(index: number, wanted: number, silent: boolean): Outcome {
    // R5: the kernel tests the condition anew, so nothing is left over; what it reports between here and the CAS is
    // collected in the word, and wanted. While silent it has been disabled by the delivery itself.
    const result = silent ? 0 : this.#set.modify(index, oneshotBits(wanted));
    if (result < 0) this.#lose(index, result);
    return this.#memory.slots.finish(index, this.#memory.me, READY_NONE, READY_ALL, silent);
  }

  /** How often this thread has asked something of whatever slot: a handler may have, of its own. */
  requests = 0;

  /** Asks something of a slot's owner: any thread, any time. False if the registration has ended. */
  request(index: number, generation: number, flag: number): boolean {
    const { slots } = this.#memory;
    this.requests++;
    const outcome = slots.request(index, generation, flag);
    if (outcome === Outcome.PUSH) this.#pushNow(index);
    if (outcome === Outcome.DONE && flag === Flag.FORCED) this.#alert(index, generation);
    return outcome !== Outcome.REFUSED;
  }

  /** Tells the owner that something was posted. Any thread; within the pool without a system call while the monitor is awake. */
  posted(index: number, generation: number): void {
    // Somebody may have asked already, and a load is cheaper than a swap.
    if (this.#memory.slots.isAsked(index, generation, Flag.USER)) return;
    this.#askForPosts(index, generation);
  }

  #askForPosts(index: number, generation: number): void {
    if (this.#memory.slots.request(index, generation, Flag.USER) === Outcome.PUSH) this.#pushLater(index);
  }

  /** A time of this slot has come forward: has the monitor look at it. Any thread, after it stored the time. */
  schedule(index: number): void {
    this.#memory.timeouts.mark(index);
    if (this.#dispatcher.monitored) this.#dispatcher.startMonitor();
    else this.onTimed();
  }

  /** Sets or lifts the deadline of a slot, which may have had no times so far. Its owner. */
  setDeadline(index: number, afterMs: number | undefined): void {
    if (!this.#hasTimes(index, afterMs !== undefined)) return;
    this.#memory.timeouts.setDeadline(index, afterMs);
    this.schedule(index);
  }

  /** Sets or lifts the idle timeout of a slot, as above. */
  setIdle(index: number, idleMs: number | undefined): void {
    if (!this.#hasTimes(index, idleMs !== undefined)) return;
    const { records, timeouts } = this.#memory;
    if (idleMs !== undefined) timeouts.setIdle(index, idleMs);
    records.setIdle(index, idleMs !== undefined);
    this.schedule(index);
  }

  /** Whether a slot has times; it is given some if it is to have them. */
  #hasTimes(index: number, wanted: boolean): boolean {
    const { records, timeouts } = this.#memory;
    if ((records.config(index) & Trait.TIMED) !== 0) return true;
    if (!wanted) return false;
    timeouts.begin(index, NO_LIMITS);
    records.setTimed(index);
    return true;
  }

  /** ACTIVE -> CLOSING: no handler but `close` runs after this. */
  beginEnd(index: number): boolean {
    return this.#memory.slots.close(index, this.#memory.me);
  }

  /** Ends the slot after its last handler: buffers, descriptor, generation. `keepFd` hands the descriptor to the caller. */
  end(index: number, keepFd: boolean): void {
    const { records, data, slots, me, census, groups, homes } = this.#memory;
    groups.leave(index);
    data.release(records.takeInput(index));
    data.release(records.takeOutput(index));
    const config = records.config(index);
    if (homeOf(config) !== NO_HOME) homes.leave(index);
    const owned = (config & Trait.OWN) !== 0 && !keepFd;
    const parent = records.parent(index);
    const parentGeneration = records.parentGeneration(index);
    // A descriptor that came from the app may have been closed behind our back, and its number be somebody else's now: the
    // kernel knows whether it is still the file that we registered (G4).
    const ours = ((config & Trait.STREAM) !== 0 && owned) || this.#set.remove(index);
    // Counted out before the slot may be taken over, and before those that wait for the end are told.
    const { last, starved } = census.leave(index);
    slots.endGeneration(index);
    // From the close on, the number may come back and the slot be taken over: nothing of it is touched any more.
    if (owned && ours) this.#native.close(index);
    slots.free(index, me);
    // The listener waits for room: let it look again.
    if (starved && parent !== undefined) this.request(parent, parentGeneration, Flag.CONTROL);
    if (last) this.onLast();
    if (this.groupTurns !== 0) this.onTurnOver(index);
  }

  /** Frees a slot whose kernel registration failed: it was never armed. Registrar. */
  abandon(index: number): void {
    const { slots, me, census, homes } = this.#memory;
    homes.leave(index);
    const { last } = census.leave(index);
    slots.close(index, me);
    slots.endGeneration(index);
    slots.free(index, me);
    if (last) this.onLast();
  }

  /** Something has a time, and the pool has no monitor. Set by whoever can start it. */
  onTimed: () => void = () => {};

  /** The last registration has ended. Set by whoever must know. */
  onLast: () => void = () => {};

  /** What the kernel is asked to report. */
  #bits(index: number, wanted: number): number {
    return this.#isEdge(index) ? EDGE_BITS : oneshotBits(wanted);
  }

  #isEdge(index: number): boolean {
    return (this.#memory.records.config(index) & Trait.EDGE) !== 0;
  }

  /**
   * The kernel does not know the number as ours: it was closed behind our back, and is nobody's (EBADF) or another file's
   * by now (ENOENT; EPERM, EINVAL: one that epoll does not take). No event would ever come, so the slot's next turn is its
   * last. A slot that is active only carries the flag: finish() queues it. Where the kernel lacks what a registration takes
   * (errno `result`) the number is still ours.
   */
  #lose(index: number, result: number): void {
    const { slots, records } = this.#memory;
    const generation = slots.generation(index);
    this.#memory.count(Counter.STALE);
    if (!lacksMeans(result)) records.disown(index);
    records.giveReason(index, generation, Cause.FD_GONE, 0);
    slots.request(index, generation, Flag.FORCED);
  }

  #alert(index: number, generation: number): void {
    const { slots } = this.#memory;
    const owner = slots.ownerOf(index, generation);
    if (owner !== undefined && owner <= 32 && slots.state(index) === State.ACTIVE) {
      this.#dispatcher.callAttention(owner - 1);
    }
  }
}
