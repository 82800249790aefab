/** What the sources of one worker share. */
import type { LoopTurns } from '../reactor/loop-turns.ts';
import type { HandlerEntry } from '../reactor/protocol.ts';
import type { Native, Region } from '../native/index.ts';
import { Counter } from '../slots/layout.ts';
import type { PoolAccess } from './access.ts';
import type { Connecting } from './connecting.ts';
import type { Locals } from './locals.ts';
import type { PendingHandlers } from './pending.ts';
import type { StateRows } from './state-rows.ts';

/** Bytes that one read asks for. */
export const READ_BYTES: number = 64 * 1024;

/** A native area with a Buffer over the same bytes, and the memory that both are in. */
export type Scratch = {
  readonly region: Region;
  readonly buffer: Buffer;
  readonly shared: SharedArrayBuffer;
};

/** A connection's turn as groups see it. */
export type Joiner = {
  readonly index: number;
  /** It is another one's turn, whose handler uses this connection. */
  readonly peer: boolean;
  /** The group that it joins when its turn is over. */
  joining: number;
};

/** The groups of a worker's turns. Connections are named as objects: what they are is above this. */
export type GroupTurns = {
  join(turn: Joiner, ref: number): void;
  leave(turn: Joiner): void;
  peersOf(member: number): readonly object[];
};

/** A turn whose writes are gathered in the write area. */
export type Gathering = { sendGathered(): void };

export type WorkerContext = PoolAccess & {
  readonly worker: number;
  readonly connecting: Connecting;
  /** Set before the first turn. */
  groups: GroupTurns | undefined;
  readonly locals: Locals;
  readonly rows: StateRows;
  readonly loop: LoopTurns;
  readonly pending: PendingHandlers;
  /** By number; what is behind one, its source knows. */
  readonly handlers: readonly object[];
  readonly names: readonly string[];
  readonly entries: readonly HandlerEntry[];
  /** Where reads go, and writes of memory that has no native address come from. */
  readonly input: Scratch;
  readonly output: Scratch;
  /** Whose writes are gathered in `output`. */
  gathering: Gathering | undefined;
  /** Address of the shared buffers. */
  readonly dataAddress: number;
  readonly dataBuffer: Buffer;
  /** Tells the app's thread that a handler threw and nobody in the worker took it. */
  readonly report: (error: unknown, handler: string, fd: number) => void;
};

export function makeScratch(native: Native): Scratch {
  const region = native.memory(READ_BYTES);
  return {
    region,
    buffer: Buffer.from(region.bytes.buffer, region.bytes.byteOffset, region.bytes.byteLength),
    shared: region.bytes.buffer,
  };
}

/** Frees the write area: what is gathered there leaves. */
export function claimWriteArea(context: WorkerContext): void {
  context.gathering?.sendGathered();
}

/** Marks the slot as running here; counts a violation of G1 if another handler of it runs. */
export function enterTurn(context: WorkerContext, index: number): void {
  const { memory } = context;
  if (memory.records.exchangeRunning(index, memory.me) !== 0) memory.count(Counter.VIOLATIONS);
}

/** The reverse, before the slot is given away. */
export function leaveTurn(context: WorkerContext, index: number): void {
  const { memory } = context;
  if (memory.records.exchangeRunning(index, 0) !== memory.me) memory.count(Counter.VIOLATIONS);
}

export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}
