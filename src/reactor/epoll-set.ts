/**
 * The pool's epoll set, which may be replaced (G10): what is left in it of a file that was closed while a duplicate stays open
 * can be taken out by nobody, for EPOLL_CTL_DEL needs the number that is gone. The app's thread puts a new set in its place,
 * under the same number (supervision/renewal.ts), and every slot follows, moved by its owner:
 *
 *     { set, former: the same } ──dup3(new, set)──▶ { set: new, former: old } ──EPOCH + 1──▶ slots that are behind
 *      ▲                                                                                     move, in a turn or seized
 *      └──────────────────────── dup3(set, former): the old one is gone ◀──none is behind────┘
 *
 * S1  A slot keeps the low bit of the epoch in which it was registered, or has moved: it is behind if that is another one.
 * S2  The epoch comes after the set: who has registered a slot and then reads the epoch that he began with may be in the old
 *     set, but the slot says so and is asked to move. Who reads another one registers it again.
 * S3  Whether a number is still our file only a set knows in which it is registered: it moves into the new one after the old
 *     one has known it.
 * S4  While a slot is behind, the former set stays. So two replacements are never under way.
 *
 * Nobody waits on the former set: what becomes ready meanwhile is told by the new one on the move (EPOLL_CTL_ADD looks).
 */
import { Epoll, EpollOp, Errno, type Native } from '../native/index.ts';
import { Config, Word } from '../slots/layout.ts';
import type { PoolMemory } from '../slots/memory.ts';

/** What of the kernel is needed here. */
export type SetKernel = Pick<Native, 'epollControl'>;
/** What of the pool's memory. */
export type SetMemory = Pick<PoolMemory, 'config' | 'layout' | 'port' | 'records' | 'slots'>;

/** Whether a system call has failed for lack of what a registration takes, and not because the number is not ours. Pure. */
export const lacksMeans = (result: number): boolean => result === Errno.ENOSPC || result === Errno.ENOMEM;

/** Each thread has one. Slots without a descriptor are in no set: for them all succeeds, and nothing is done. */
export class EpollSet {
  readonly #memory: SetMemory;
  readonly #native: SetKernel;

  constructor(memory: SetMemory, native: SetKernel) {
    this.#memory = memory;
    this.#native = native;
  }

  /** Registers a slot that the caller has just taken. 0, or a negated errno: EEXIST if it is registered, and not by us. */
  add(index: number, bits: number): number {
    if (!this.#hasFd(index)) return 0;
    const { port } = this.#memory;
    for (let again = false; ; again = true) {
      const epoch = port.load(Word.EPOCH);
      this.#memory.records.setEpoch(index, epoch);
      const result = this.#control(this.#set, EpollOp.ADD, index, bits);
      if (result < 0 && !(again && result === Errno.EEXIST)) return result;
      if (port.load(Word.EPOCH) === epoch) return 0;
    }
  }

  /** Changes what is reported of a slot, in the set of today. The owner. 0, or a negated errno: no set knows the number as ours. */
  modify(index: number, bits: number): number {
    if (!this.#hasFd(index)) return 0;
    const result = this.#control(this.#set, EpollOp.MOD, index, bits);
    const former = this.#former;
    if (result !== Errno.ENOENT || former === 0) return result;
    // Silent there from now on.
    const known = this.#control(former, EpollOp.MOD, index, Epoll.ONESHOT);
    if (known < 0) return known;
    const added = this.#control(this.#set, EpollOp.ADD, index, bits);
    if (!lacksMeans(added)) return added;
    // The kernel counts it twice (max_user_watches). Who dies between these steps leaves the number open.
    this.#control(former, EpollOp.DEL, index, 0);
    const again = this.#control(this.#set, EpollOp.ADD, index, bits);
    if (again < 0) this.#control(former, EpollOp.ADD, index, Epoll.ONESHOT);
    return again;
  }

  /** Takes a slot out. The owner. True if the number was still our file. */
  remove(index: number): boolean {
    if (!this.#hasFd(index)) return true;
    if (this.#control(this.#set, EpollOp.DEL, index, 0) === 0) return true;
    const former = this.#former;
    return former !== 0 && this.#control(former, EpollOp.DEL, index, 0) === 0;
  }

  /** Whether a slot is in the former set. Its owner; for others a guess, but right if the slot was registered in it. */
  isBehind(index: number): boolean {
    const epoch = this.#memory.port.peek(Word.EPOCH);
    return epoch !== 0 && this.#hasFd(index) && !this.#memory.records.isOfEpoch(index, epoch);
  }

  /** Has a slot that is behind move. The owner, in its turn. As modify(). */
  follow(index: number, bits: number): number {
    const result = this.modify(index, bits);
    // Also one that is in no set: it is not asked again.
    this.#memory.records.setEpoch(index, this.#memory.port.load(Word.EPOCH));
    return result;
  }

  get #set(): number {
    return this.#memory.config(Config.EPOLL_FD);
  }

  /** 0 before the first replacement. */
  get #former(): number {
    return this.#memory.port.load(Word.FORMER_SET);
  }

  #hasFd(index: number): boolean {
    return index < this.#memory.layout.maxFds;
  }

  #control(set: number, op: EpollOp, index: number, bits: number): number {
    return this.#native.epollControl(set, op, index, bits, index, this.#memory.slots.generation(index));
  }
}
