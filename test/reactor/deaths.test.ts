/**
 * Hints and those who vanish with one in hand, in a ring that is too small: the real slot table, ring, overflow and
 * dispatcher under all schedules, with a worker or a poster that vanishes at any port call and the reaper's rule after it.
 * No slot stays queued without a hint, and none is claimed twice at once (G5, G9). Scenarios 61, 103, 109.
 */
import { describe, test } from 'vitest';
import { Dispatcher, type DispatcherMemory } from '../../src/reactor/dispatcher.ts';
import { Layout, Owner, SlotWord, Word } from '../../src/slots/layout.ts';
import { Outcome, SlotTable } from '../../src/slots/table.ts';
import { READY_ALL, READY_NONE, Ready, readyOf, State } from '../../src/slots/word.ts';
import { Ring } from '../../src/sync/ring.ts';
import { expectHolds } from '../explorer/explore.ts';
import { again, type Program, type VirtualPort, type VirtualThread } from '../explorer/program.ts';

const DRAINER = 32;
const MOST_TURNS = 50;

type Play = {
  readonly slots: number;
  readonly capacity: number;
  /** Slots to which an event comes before anybody runs. */
  readonly queued: readonly number[];
  /** Turns of the workers; the first may vanish unless a poster may. */
  readonly workers: readonly number[];
  /** Slots to which a poster delivers, one after the other. */
  readonly posts?: readonly number[];
  readonly mortal: 'worker' | 'poster';
  readonly preemptions: number;
};

class World {
  readonly table: SlotTable;
  readonly dispatcher: Dispatcher;
  readonly #slots: number;

  constructor(port: VirtualPort, play: Play, me: number) {
    const layout = new Layout(play.slots, play.capacity);
    this.#slots = play.slots;
    this.table = new SlotTable(port, layout);
    const cells = { head: Word.RING_HEAD, tail: Word.RING_TAIL, cells: layout.ring, capacity: play.capacity };
    const memory: DispatcherMemory = {
      port,
      me,
      layout,
      ring: new Ring(port, cells),
      config: () => 0,
      count: () => undefined,
      countHighest: () => undefined,
      wakeCostMs: 0,
    };
    this.dispatcher = new Dispatcher(memory, { signal: () => 0, setTimer: () => 0 });
  }

  setUp(queued: readonly number[]): void {
    const { ring } = this.dispatcher.memory;
    ring.initialize();
    for (let index = 0; index < this.#slots; index++) {
      this.table.register(index, DRAINER);
      this.table.finish(index, DRAINER, READY_NONE, READY_ALL, false);
    }
    for (const index of queued) this.post(index);
  }

  post(index: number): void {
    if (this.table.deliver(index, 0, Ready.IN) === Outcome.PUSH) this.dispatcher.push(index + 1);
  }

  /** A worker's turn: one hint, if there is one. */
  work(me: number): void {
    const hint = this.dispatcher.take();
    if (hint === 0 || this.table.claim(hint - 1, me) === 0) return;
    const outcome = this.table.finish(hint - 1, me, READY_NONE, READY_ALL, false);
    if (outcome === Outcome.PUSH) this.dispatcher.push(hint);
  }

  /** As reaper.ts: each slot, by its word. */
  reap(dead: number): void {
    for (let index = 0; index < this.#slots; index++) {
      const outcome = this.table.reap(index, dead, Owner.SUPERVISOR);
      const isQueued = outcome === Outcome.REFUSED && this.table.state(index) === State.QUEUED;
      if (outcome === Outcome.PUSH || isQueued) this.dispatcher.push(index + 1);
    }
  }

  /** Carries on alone; each slot must come to rest, with nothing that it was not called for. */
  checkEnd(): void {
    for (let turns = 0; turns < MOST_TURNS && this.dispatcher.hasWork(); turns++) this.work(DRAINER);
    if (this.dispatcher.hasWork()) throw new Error('hints without end');
    for (let index = 0; index < this.#slots; index++) {
      const state = this.table.state(index);
      if (state !== State.ARMED) throw new Error(`slot ${index} rests in state ${state}: its hint is lost`);
      if (readyOf(this.table.word(index)) !== 0)
        throw new Error(`slot ${index} was not called for its event`);
    }
  }
}

function program(play: Play): Program {
  const threads: VirtualThread[] = play.workers.map((turns, id) => ({
    name: `worker ${id}`,
    mortal: play.mortal === 'worker' && id === 0,
    body: (port, self) => {
      new World(port, play, id + 1).work(id + 1);
      return self.round + 1 < turns ? again(self.round + 1) : undefined;
    },
  }));
  const { posts = [] } = play;
  if (posts.length > 0) {
    threads.push({
      name: 'poster',
      mortal: play.mortal === 'poster',
      body: (port, self) => {
        new World(port, play, Owner.MAIN).post(posts[self.round] ?? 0);
        return self.round + 1 < posts.length ? again(self.round + 1) : undefined;
      },
    });
  }
  const victim = play.mortal === 'worker' ? 'worker 0' : 'poster';
  const dead = play.mortal === 'worker' ? 1 : Owner.MAIN;
  threads.push({
    name: 'reaper',
    reaps: victim,
    body: (port) => {
      new World(port, play, Owner.SUPERVISOR).reap(dead);
      return undefined;
    },
  });
  const layout = new Layout(play.slots, play.capacity);
  const nameOf = (at: number): string => {
    const slot = Math.floor((at - layout.slots) / 16);
    const offset = (at - layout.slots) % 16;
    if (at >= layout.overflow) return `bits[${at - layout.overflow}]`;
    if (at >= layout.slots) return offset === SlotWord.WORD ? `slot ${slot}` : `slot ${slot}+${offset}`;
    if (at >= layout.ring) return `cell[${at - layout.ring}]`;
    return Object.entries(Word).find(([, word]) => word === at)?.[0] ?? `word ${at}`;
  };
  return {
    threads,
    preemptions: play.preemptions,
    vanishings: 1,
    setup: (port) => new World(port, play, Owner.MAIN).setUp(play.queued),
    nameOf,
    end: (view) => new World(view.port, play, Owner.MAIN).checkEnd(),
  };
}

const holds = (play: Play): void => void expectHolds(program(play));

describe('a ring that is too small loses no slot', () => {
  test('with a worker that vanishes anywhere in its turn, also while it moves hints into the ring', () => {
    holds({ slots: 3, capacity: 1, queued: [0, 1, 2], workers: [2], mortal: 'worker', preemptions: 2 });
    holds({ slots: 3, capacity: 2, queued: [0, 1, 2], workers: [2], mortal: 'worker', preemptions: 2 });
  });

  test('while another one works on', () => {
    holds({ slots: 3, capacity: 1, queued: [0, 1, 2], workers: [1, 2], mortal: 'worker', preemptions: 2 });
    holds({ slots: 3, capacity: 2, queued: [0, 1, 2], workers: [1, 1], mortal: 'worker', preemptions: 2 });
  });

  test('while events come in', () => {
    holds({
      slots: 3,
      capacity: 1,
      queued: [0, 1, 2],
      workers: [1, 1],
      posts: [0, 1],
      mortal: 'worker',
      preemptions: 2,
    });
  });

  test('with a poster that vanishes between its event and its hint', () => {
    holds({
      slots: 3,
      capacity: 1,
      queued: [0, 1],
      workers: [1, 1],
      posts: [2, 0],
      mortal: 'poster',
      preemptions: 2,
    });
  });
});
