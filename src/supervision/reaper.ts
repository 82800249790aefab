/**
 * What a dead thread leaves behind, and how it is put right (G9): a worker, or an attached Worker of the app, which holds
 * less: it is in no set of workers, and has slots only while it registers. Called by the app's thread once the Worker's
 * `exit` event was seen, so nothing of that thread runs any more. Every step may also be needed for nothing: a hint too
 * many fails its claim, a wake-up too many finds nothing.
 *
 * One thing stays: a worker that vanishes between the EPOLL_CTL_DEL and the close() of a descriptor that the app had handed
 * over leaves it open. Whether the close was made only the kernel could tell, and it tells the same of a number that is
 * out of the set and of one that has become somebody else's file: ENOENT. To close another's file is worse than a leak
 * (G4). Without the DEL the set itself would tell, but would go on reporting a file of which there is a duplicate. The
 * pool's own connections are closed without it, so none of them is lost.
 */
import type { Native } from '../native/index.ts';
import type { PoolDispatcher } from '../reactor/dispatcher.ts';
import { EpollSet } from '../reactor/epoll-set.ts';
import { Poller } from '../reactor/poller.ts';
import { enqueue, enqueueHint } from '../reactor/queueing.ts';
import type { Buffers } from '../slots/buffers.ts';
import { BATCH_EVENTS, Owner, WorkerPhase, WorkerWord, Word } from '../slots/layout.ts';
import { NO_GROUP } from '../slots/groups.ts';
import type { PoolMemory } from '../slots/memory.ts';
import { Cause, handlerOf, Kind, kindOf, mergeOf, Phase, Trait } from '../slots/record.ts';
import { Outcome } from '../slots/table.ts';
import { Merge } from '../slots/user.ts';
import { Flag, generationOf, isGeneration, ownerOf, State, stateOf } from '../slots/word.ts';
import { Mutex } from '../sync/mutex.ts';

const RETRY_MS = 1;
/**
 * What goes on when a worker dies in its turn. A listener has no handler that could have done it: the connection that it was
 * opening ends. Of posts only those are lost that the dead one had taken.
 */
const GO_ON: ReadonlySet<number> = new Set([Kind.LISTENER, Kind.EVENT, Kind.ITEM, Kind.TIMER, Kind.GROUP]);
const POSTED: ReadonlySet<number> = new Set([Kind.EVENT, Kind.ITEM, Kind.TIMER]);

/**
 * Puts right what `worker` left. `alive` is the bitmap of the workers that live. Returns the handlers of posts that it had
 * taken and not finished: those are lost.
 */
export function reap(dispatcher: PoolDispatcher, worker: number, alive: number): number[] {
  const { memory, native } = dispatcher;
  const dead = Owner.FIRST_WORKER + worker;
  const line = memory.layout.worker(worker);
  memory.words[line + WorkerWord.PHASE] = WorkerPhase.ABSENT;
  memory.port.store(line + WorkerWord.ATTENTION, 0);
  // Before the look at the slots: a sender or registrar that comes later finds it closed (B2, H2).
  dispatcher.mail.boxes.close(worker);
  // Before anything is pushed: it must not be chosen for that.
  dispatcher.lot.reap(worker, alive);
  dispatcher.runnable.leave(worker);
  // It may have died between a change of the runnable ones and asking the others to look.
  dispatcher.limit.askForReview();
  dispatcher.mail.stopWaiting(worker);
  const lost = reapHoldings(dispatcher, native, dead);
  reapPoller(dispatcher, dead);
  passOn(dispatcher, alive & ~(1 << worker));
  return lost;
}

/** Puts right what an attached Worker left that was this owner. */
export function reapAttached(dispatcher: PoolDispatcher, owner: number, alive: number): void {
  dispatcher.lot.tellAgain(alive);
  // It takes no posts, so none is lost with it.
  reapHoldings(dispatcher, dispatcher.native, owner);
  // It may have died between taking back the poller's announcement and waking it.
  if (dispatcher.pollHolder !== 0) dispatcher.wakePoller();
  passOn(dispatcher, alive);
}

/** The lock, slots and hints; returns the handlers of lost posts. */
function reapHoldings(dispatcher: PoolDispatcher, native: Native, dead: number): number[] {
  const { port, timeouts } = dispatcher.memory;
  const mutex = new Mutex(port, Word.BUFFER_LOCK);
  if (mutex.recover(dead, Owner.SUPERVISOR)) mutex.unlock();
  // It may have been the one that looks for work, or have died between choosing somebody and waking it.
  dispatcher.stopSearching();
  const lost = reapSlots(dispatcher, native, dead);
  // It may have died before it told the monitor of a timeout.
  timeouts.markAll();
  return lost;
}

/** Its duty to wake others. */
function passOn(dispatcher: PoolDispatcher, alive: number): void {
  dispatcher.wakeIfWork();
  reviveMail(dispatcher, alive);
  dispatcher.restartMonitor();
}

/** The dead one may have died between sending a hint, or giving its place away, and waking the worker that it is for. */
function reviveMail({ mail }: PoolDispatcher, alive: number): void {
  for (let rest = alive; rest !== 0; rest &= rest - 1) {
    const worker = 31 - Math.clz32(rest & -rest);
    if (mail.boxes.isEmpty(worker)) continue;
    mail.boxes.call(worker);
    mail.rouse(worker);
  }
}

/** Pushes what stands for a slot. Many more may have to be looked at: whoever is to take it is woken at once. */
function give(dispatcher: PoolDispatcher, index: number): void {
  if (enqueue(dispatcher, index)) dispatcher.wakeForWork();
}

/** The same for a group's own hint. */
function giveHint(dispatcher: PoolDispatcher, slot: number): void {
  if (enqueueHint(dispatcher, slot)) dispatcher.wakeForWork();
}

function reapSlots(dispatcher: PoolDispatcher, native: Native, dead: number): number[] {
  const { slots, records, layout } = dispatcher.memory;
  const lost: number[] = [];
  const groups: number[] = [];
  for (let index = 0; index < layout.slotCount; index++) {
    // Nothing lives in an attached thread; and the ids of those are no numbers of workers.
    if (dead < Owner.MAIN) evict(dispatcher, index, dead);
    const isGroup = kindOf(records.config(index)) === Kind.GROUP && ownerOf(slots.word(index)) === dead;
    if (isGroup) groups.push(index);
    else if (reapSlot(dispatcher, native, index, dead)) lost.push(handlerOf(records.config(index)));
  }
  // Behind their members: none of those that have ended is in the list that the next owner makes (M5 of groups.ts).
  for (const group of groups) reapSlot(dispatcher, native, group, dead);
  return lost;
}

/** Ends a slot that lived in the dead worker, with what it kept there: its last delivery is anybody's. */
function evict({ memory }: PoolDispatcher, index: number, dead: number): void {
  const { slots, records, homes } = memory;
  if (homes.of(index) !== dead - Owner.FIRST_WORKER || !homes.evict(index)) return;
  const generation = slots.generation(index);
  records.giveReason(index, generation, Cause.WORKER_DIED, 0);
  // From ARMED or DISABLED it is queued by this; the look that follows pushes it.
  slots.request(index, generation, Flag.FORCED);
}

/** True if what was posted to the slot is lost. */
function reapSlot(dispatcher: PoolDispatcher, native: Native, index: number, dead: number): boolean {
  const { memory } = dispatcher;
  const { slots, records, census, groups } = memory;
  let isLost = false;
  // By the word alone: the counter may be one ahead, if the dead one was about to close the descriptor.
  const goesOn = survives(dead, kindOf(records.config(index)));
  if (ownerOf(slots.word(index)) === dead) {
    // Before the slot is anybody's again.
    const starved = census.repair(index);
    if (diedRegistering(memory, index, dead)) {
      abandon(memory, index, dead);
      return false;
    }
    isLost = POSTED.has(kindOf(records.config(index))) && losesPosts(memory, index, dead);
    if (!goesOn) records.giveReason(index, slots.generation(index), Cause.WORKER_DIED, 0);
    records.exchangeRunning(index, 0);
    if (starved) askListener(dispatcher, records.parent(index), records.parentGeneration(index));
    const group = groups.refOf(index);
    const outcome = slots.reap(index, dead, Owner.SUPERVISOR, goesOn ? Flag.CONTROL : Flag.FORCED);
    // It may have died while it joined, or left.
    if (group !== NO_GROUP && groups.requestTurn(group, Flag.CONTROL) === Outcome.PUSH)
      giveHint(dispatcher, groups.groupOf(group));
    if (outcome === Outcome.PUSH) give(dispatcher, index);
    else if (outcome === Outcome.DONE) finishClosing(dispatcher, native, index);
  } else if (slots.state(index) === State.QUEUED) {
    // Its hint may have died between the CAS and the push, or between the overflow and the ring. Where it is in the
    // overflow it stays once; in the ring a second one fails its claim.
    give(dispatcher, index);
  } else if (waitsForTimer(memory, index)) {
    const outcome = slots.request(index, slots.generation(index), Flag.CONTROL);
    if (outcome === Outcome.PUSH) give(dispatcher, index);
  }
  if (hasPosts(memory, index)) {
    // Its poster may have died between the value and the flag that asks for a turn. A turn too many finds nothing.
    const outcome = slots.request(index, slots.generation(index), Flag.USER);
    if (outcome === Outcome.PUSH) give(dispatcher, index);
  }
  return isLost;
}

/**
 * Whether a slot goes on whose owner is dead. An attached thread has no turns: it was registering, and of what is not an item
 * nobody has a handle.
 */
function survives(dead: number, kind: Kind): boolean {
  return dead < Owner.MAIN ? GO_ON.has(kind) : kind === Kind.ITEM;
}

/**
 * Whether a slot was taken to be registered, and not counted in: its fields may be those of the registration before, and the
 * kernel has not been told. (A descriptor that a worker was registering is the pool's own and must be closed: that ends as
 * all others do.)
 */
function diedRegistering({ slots, census, layout }: PoolMemory, index: number, dead: number): boolean {
  if (dead < Owner.MAIN && index < layout.maxFds) return false;
  return slots.state(index) === State.ACTIVE && census.isOut(index);
}

/** Frees it in the name of the dead one. */
function abandon({ slots }: PoolMemory, index: number, dead: number): void {
  slots.close(index, dead);
  slots.endGeneration(index);
  slots.free(index, dead);
}

/** Whether posts end with a dead owner: what it had taken, and if it was ending the slot, what waited for the last delivery. */
function losesPosts({ slots, users, units, records }: PoolMemory, index: number, dead: number): boolean {
  const word = slots.word(index);
  if (stateOf(word) === State.CLOSING) return users.reapLast(index, generationOf(word));
  const config = records.config(index);
  const counts = kindOf(config) === Kind.EVENT && mergeOf(config) === Merge.COUNT;
  return counts ? units.reap(index, dead) : users.reap(index);
}

function hasPosts({ records, users }: PoolMemory, index: number): boolean {
  return kindOf(records.config(index)) !== Kind.LISTENER && users.waiting(index) !== 0;
}

/**
 * The timer may have died with its worker: a listener without descriptors would never look again, a peer of a draining
 * pool that never ends never be left, nor one that does not answer. A look too many finds no room, or no answer, or leaves
 * that peer early.
 */
function waitsForTimer({ slots, records }: PoolMemory, index: number): boolean {
  const state = slots.state(index);
  if (state !== State.ARMED && state !== State.DISABLED) return false;
  if (kindOf(records.config(index)) === Kind.LISTENER) return state === State.DISABLED;
  if (kindOf(records.config(index)) !== Kind.CONNECTION) return false;
  return (records.phase(index) & (Phase.DRAINING | Phase.CONNECTING)) !== 0;
}

/**
 * The dead one was closing this slot, which is the supervisor's now and still ACTIVE: nobody can take it over before the
 * last step. If the kernel still knows the fd as ours, it had not been closed yet.
 */
function finishClosing(dispatcher: PoolDispatcher, native: Native, index: number): void {
  const { slots, records, data, census, layout, groups, homes } = dispatcher.memory;
  groups.forget(index);
  homes.leave(index);
  const ended = !isGeneration(slots.word(index), slots.generation(index));
  const set = new EpollSet(dispatcher.memory, native);
  // The index of a source without a descriptor may be the number of a file of somebody's, the pool's own too.
  const isOurs = index < layout.maxFds && set.remove(index);
  const owned = (records.config(index) & Trait.OWN) !== 0;
  const parent = records.parent(index);
  const parentGeneration = records.parentGeneration(index);
  giveBack(data, records.takeInput(index));
  giveBack(data, records.takeOutput(index));
  const { starved } = census.leave(index);
  if (!ended) slots.endGeneration(index);
  if (owned && isOurs) native.close(index);
  slots.close(index, Owner.SUPERVISOR);
  slots.free(index, Owner.SUPERVISOR);
  if (starved) askListener(dispatcher, parent, parentGeneration);
}

/** A listener waits for room, and there is some: lets it look again. */
function askListener(dispatcher: PoolDispatcher, listener: number | undefined, generation: number): void {
  if (listener === undefined) return;
  const outcome = dispatcher.memory.slots.request(listener, generation, Flag.CONTROL);
  if (outcome === Outcome.PUSH) give(dispatcher, listener);
}

/** Without sleeping: this thread must go on to see the exit of another dead worker, which may hold the buffers' lock. */
function giveBack(data: Buffers, block: number): void {
  if (!data.tryRelease(block)) setTimeout(() => giveBack(data, block), RETRY_MS);
}

function reapPoller(dispatcher: PoolDispatcher, dead: number): void {
  const holder = dispatcher.pollHolder;
  if (holder === dead) {
    // Edges and oneshots are reported once: what it had not delivered is delivered now.
    new Poller(dispatcher).deliverBatch(BATCH_EVENTS);
    dispatcher.releasePoll();
  } else if (holder === 0) {
    // It may have died between taking the hint and claiming it.
    dispatcher.replacePoll();
  } else {
    // It may have died between taking back the poller's announcement and waking it.
    dispatcher.wakePoller();
  }
}
