/**
 * A pool's shared memory as one thread sees it: the words through the port, the tables and queues over them. Made by
 * the thread that creates the pool and attached by every other one.
 */
import { deathsMemory, hearOfDeaths } from '../sync/deaths.ts';
import { Mutex } from '../sync/mutex.ts';
import { AtomicsPort } from '../sync/port.ts';
import { Ring } from '../sync/ring.ts';
import { Areas, areasByteLength } from './areas.ts';
import { Buffers } from './buffers.ts';
import { Census } from './census.ts';
import { beginClock } from './clock.ts';
import { Config, type Counter, Layout, LAYOUT_VERSION, layoutOf, Word } from './layout.ts';
import { GroupTable } from './groups.ts';
import { Homes } from './homes.ts';
import { SlotRecords } from './record.ts';
import { reserveStates, States } from './states.ts';
import { SlotTable } from './table.ts';
import { Timeouts } from './timeouts.ts';
import { Units } from './units.ts';
import { UserWords } from './user.ts';

/** What a thread needs to attach. */
export type PoolBuffers = {
  readonly control: SharedArrayBuffer;
  readonly data: SharedArrayBuffer;
  /** What handlers share by name. */
  readonly shared: SharedArrayBuffer;
  /** Which threads have ended. */
  readonly deaths: SharedArrayBuffer;
  readonly states: SharedArrayBuffer;
};

export const PoolPhase = { OPEN: 0, DRAINING: 1, DESTROYING: 2, CLOSED: 3 } as const;
export type PoolPhase = (typeof PoolPhase)[keyof typeof PoolPhase];

export class PoolMemory {
  readonly buffers: PoolBuffers;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly port: AtomicsPort;
  readonly layout: Layout;
  readonly ring: Ring;
  readonly slots: SlotTable;
  readonly records: SlotRecords;
  readonly users: UserWords;
  readonly units: Units;
  readonly groups: GroupTable;
  readonly homes: Homes;
  readonly census: Census;
  readonly timeouts: Timeouts;
  readonly states: States;
  readonly data: Buffers;
  readonly areas: Areas;
  /** Slot owner id of this thread, and its counter block. */
  readonly me: number;
  readonly #counters: Float64Array;
  readonly #counterBase: number;

  constructor(buffers: PoolBuffers, layout: Layout, me: number, counterBlock: number) {
    this.buffers = buffers;
    this.words = new Int32Array(buffers.control);
    this.port = new AtomicsPort(this.words);
    this.layout = layout;
    this.ring = new Ring(this.port, {
      head: Word.RING_HEAD,
      tail: Word.RING_TAIL,
      cells: layout.ring,
      capacity: layout.ringCapacity,
    });
    this.slots = new SlotTable(this.port, layout);
    this.records = new SlotRecords(this.port, layout);
    this.users = new UserWords(this.port, layout);
    this.units = new Units(this.port, layout, me);
    this.groups = new GroupTable(this.port, layout, this.slots);
    this.homes = new Homes(this.port, layout);
    this.census = new Census(this.port, layout, this.records);
    this.timeouts = new Timeouts(this.port, layout);
    this.states = new States(buffers.states, layout.slotCount);
    this.data = new Buffers(buffers.data, new Mutex(this.port, Word.BUFFER_LOCK), me);
    this.areas = new Areas(new AtomicsPort(new Int32Array(buffers.shared)), buffers.shared.byteLength);
    this.me = me;
    this.#counters = new Float64Array(buffers.control, 0, layout.counters(counterBlock + 1));
    this.#counterBase = layout.counters(counterBlock);
  }

  get phase(): PoolPhase {
    return this.port.load(Word.PHASE) as PoolPhase;
  }

  config(at: number): number {
    return this.words[at] ?? 0;
  }

  /** What a wake-up costs who makes it, in milliseconds: a mean of the last ones, 0 before the first. */
  get wakeCostMs(): number {
    return (this.words[Word.WAKE_COST] ?? 0) / NS_PER_MS;
  }

  /** A new mean. Of two threads that come at once, one is lost. */
  set wakeCostMs(ms: number) {
    this.words[Word.WAKE_COST] = Math.ceil(ms * NS_PER_MS);
  }

  /** Adds to a counter of this thread. A plain add: each block has one writer. */
  count(counter: Counter, by = 1): void {
    const at = this.#counterBase + counter;
    this.#counters[at] = (this.#counters[at] ?? 0) + by;
  }

  /** Raises a counter of this thread to `value`. */
  countHighest(counter: Counter, value: number): void {
    const at = this.#counterBase + counter;
    if (value > (this.#counters[at] ?? 0)) this.#counters[at] = value;
  }
}

const NS_PER_MS = 1e6;

/** Index of a batch entry that is delivered, or was never there. */
export const NO_EVENT = -1;

/** Makes the memory of a new pool. `config` are the words that its maker sets: those of the config line, and of others that never change. */
export function createMemory(
  maxFds: number,
  ringCapacity: number,
  bufferBytes: number,
  config: ReadonlyMap<number, number>,
  me: number,
  counterBlock: number,
  sharedBytes = 0,
): PoolMemory {
  const layout = new Layout(maxFds, ringCapacity, config.get(Config.MAX_SOURCES) ?? 0);
  const buffers = {
    control: new SharedArrayBuffer(layout.byteLength),
    data: new SharedArrayBuffer(bufferBytes),
    shared: new SharedArrayBuffer(areasByteLength(sharedBytes)),
    deaths: deathsMemory(),
    states: reserveStates(layout.slotCount),
  };
  const words = new Int32Array(buffers.control);
  words[Config.VERSION] = LAYOUT_VERSION;
  words[Config.MAX_FDS] = maxFds;
  words[Config.RING_CAPACITY] = ringCapacity;
  for (const [at, value] of config) words[at] = value;
  words.fill(NO_EVENT, layout.batch, layout.ring);
  beginClock(words);
  const memory = new PoolMemory(buffers, layout, me, counterBlock);
  memory.ring.initialize();
  return memory;
}

/** Attaches to the memory of a pool that another thread has made. */
export function attachMemory(buffers: PoolBuffers, me: number, counterBlock: number): PoolMemory {
  hearOfDeaths(buffers.deaths);
  return new PoolMemory(buffers, layoutOf(new Int32Array(buffers.control)), me, counterBlock);
}
