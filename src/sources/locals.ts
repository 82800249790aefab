/**
 * What handlers keep with a registration in the worker in which it lives: JavaScript values, by slot. Each worker has its own;
 * those of a worker that dies are gone with it, and so are the registrations.
 */
import { makeError } from '../errors.ts';
import { NO_GROUP } from '../slots/groups.ts';
import type { PoolMemory } from '../slots/memory.ts';
import { NO_HOME } from '../slots/record.ts';

type Local = { readonly generation: number; readonly value: unknown };

export class Locals {
  readonly #memory: PoolMemory;
  readonly #values = new Map<number, Local>();

  constructor(memory: PoolMemory) {
    this.#memory = memory;
  }

  get size(): number {
    return this.#values.size;
  }

  /** Owner of the slot. @throws ERR_WAKEONE_AFFINITY */
  get(index: number, what: string): unknown {
    this.#check(index, what);
    const local = this.#values.get(index);
    return local?.generation === this.#memory.slots.generation(index) ? local.value : undefined;
  }

  /** Owner of the slot. @throws ERR_WAKEONE_AFFINITY */
  set(index: number, value: unknown, what: string): void {
    this.#check(index, what);
    if (value === undefined) this.#values.delete(index);
    else this.#values.set(index, { generation: this.#memory.slots.generation(index), value });
  }

  /** The registration ends, or lives here no more. */
  drop(index: number): void {
    if (this.#values.size > 0) this.#values.delete(index);
  }

  /** It lives in a worker, by itself or with its group; or did until that died. */
  #check(index: number, what: string): void {
    const { homes, groups } = this.#memory;
    if (homes.of(index) !== NO_HOME) return;
    const ref = groups.refOf(index);
    if (ref !== NO_GROUP && homes.of(groups.groupOf(ref)) !== NO_HOME) return;
    throw makeError(
      'ERR_WAKEONE_AFFINITY',
      `${what} is only there`,
      `the next event may come in another worker, where the value is not`,
    );
  }
}
