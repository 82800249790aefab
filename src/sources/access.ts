/** What a thread registers with: every thread of a pool, and each that has joined it, has its own over the same memory. */
import type { Native } from '../native/index.ts';
import type { Dispatcher } from '../reactor/dispatcher.ts';
import { type SlotKernel, Strands } from '../reactor/strands.ts';
import type { PoolMemory } from '../slots/memory.ts';
import { Registrar } from './registrar.ts';

export type PoolAccess = {
  readonly memory: PoolMemory;
  readonly native: Native;
  readonly strands: Strands;
  readonly registrar: Registrar;
};

/** `dispatcher` may reach less of the kernel than `native`: the pool's own descriptors are in its hands. */
export function makeAccess(dispatcher: Dispatcher<PoolMemory, SlotKernel>, native: Native): PoolAccess {
  const { memory } = dispatcher;
  const strands = new Strands(dispatcher);
  return { memory, native, strands, registrar: new Registrar(memory, strands, native) };
}
