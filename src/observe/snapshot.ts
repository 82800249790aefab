/** What `pool.stats()` tells: read from shared memory, no worker is asked. */
import { Config, Counter, COUNTER_BLOCKS, Word, WorkerPhase, WorkerWord } from '../slots/layout.ts';
import type { PoolMemory } from '../slots/memory.ts';

export type WorkerStats = {
  readonly id: number;
  /** 'absent': there may be a thread, and there is none now. */
  readonly state: 'absent' | 'starting' | 'running' | 'parked' | 'polling' | 'stopped';
  /** Handler calls. */
  readonly handled: number;
  /** Hints taken, and those of them that no longer matched their slot. */
  readonly taken: number;
  readonly dropped: number;
  /** Calls of epoll_wait. */
  readonly polls: number;
  /** Times it went to sleep, and times it was chosen and woken. */
  readonly parks: number;
  readonly wakes: number;
  readonly accepted: number;
};

export type PoolStats = {
  readonly workers: WorkerStats[];
  /** Live registrations. */
  readonly registered: number;
  /** Most hints that ever waited, in the ring or with the only worker. */
  readonly ringHighWater: number;
  /** Hints that the ring had no room for; they went to a set beside it and nothing was lost. */
  readonly ringOverflows: number;
  /** Events of registrations that had ended. */
  readonly staleEvents: number;
  /** Times a worker was found asleep in a handler, undeclared, while work waited and the limit was reached. */
  readonly blockedFound: number;
  /** Times the epoll set was replaced, because registrations that had ended went on reporting events. */
  readonly rebuilds: number;
  /** Wake-ups that were lost and made good by a safety net. Must stay 0. */
  readonly rescuedWakeups: number;
  /** Times two handlers of one registration ran at once. Must stay 0. */
  readonly exclusivityViolations: number;
};

const STATES: Readonly<Record<number, WorkerStats['state']>> = {
  [WorkerPhase.ABSENT]: 'absent',
  [WorkerPhase.STARTING]: 'starting',
  [WorkerPhase.RUNNING]: 'running',
  [WorkerPhase.PARKED]: 'parked',
  [WorkerPhase.POLLING]: 'polling',
  [WorkerPhase.STOPPED]: 'stopped',
};

/** Reads the counters of a pool. Any thread; each number is true at some moment of the call. */
export function snapshot(memory: PoolMemory): PoolStats {
  const { layout, words, buffers, port } = memory;
  const doubles = new Float64Array(buffers.control, 0, layout.counters(COUNTER_BLOCKS));
  const read = (block: number, counter: Counter): number => doubles[layout.counters(block) + counter] ?? 0;
  const blocks = Array.from({ length: COUNTER_BLOCKS }, (_, block) => block);
  const sum = (counter: Counter): number => blocks.reduce((total, block) => total + read(block, counter), 0);
  const workers = blocks.slice(0, memory.config(Config.MAX_THREADS)).map((id): WorkerStats => ({
    id,
    state: STATES[words[layout.worker(id) + WorkerWord.PHASE] ?? 0] ?? 'absent',
    handled: read(id, Counter.HANDLED),
    taken: read(id, Counter.TAKEN),
    dropped: read(id, Counter.DROPPED),
    polls: read(id, Counter.POLLS),
    parks: read(id, Counter.PARKS),
    wakes: read(id, Counter.WAKES),
    accepted: read(id, Counter.ACCEPTED),
  }));
  return {
    workers,
    registered: memory.census.registered,
    ringHighWater: Math.max(...blocks.map((block) => read(block, Counter.RING_HIGH_WATER))),
    ringOverflows: port.load(Word.OVERFLOWED) >>> 0,
    staleEvents: sum(Counter.STALE),
    blockedFound: sum(Counter.BLOCKED),
    rebuilds: sum(Counter.REBUILDS),
    rescuedWakeups: sum(Counter.RESCUED),
    exclusivityViolations: sum(Counter.VIOLATIONS),
  };
}
