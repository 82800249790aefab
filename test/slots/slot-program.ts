/** Who plays in a slot's world, and for how many turns. */
import { expect } from 'vitest';
import { again, type Body, type Program, type VirtualThread } from '../explorer/program.ts';
import { hintsIn, isNote, Me, nameOf, type SlotCase, SlotWorld } from './slot-world.ts';

export type SlotPlay = Omit<SlotCase, 'controlled'> & {
  /** Turns of each worker. */
  readonly workers: readonly number[];
  readonly polls?: number;
  /** To which file the peer sends, one piece each time. The first one is file 1. */
  readonly sends?: readonly number[];
  /** How many threads force the end, each of the registration that it was given: the first one. */
  readonly forcers?: number;
  /** What somebody asks for, one after the other: silence, or events again. */
  readonly controls?: readonly ('disable' | 'enable')[];
  /** Tries of a registrar to get the number for a new file, and the slot for it. */
  readonly registers?: number;
  readonly mortal?: 'workers' | 'poller' | 'forcer';
  readonly preemptions?: number;
  /** Plain reads see old values, as on arm64. */
  readonly weak?: boolean;
};

const DRAINER = 32;
type Act = (world: SlotWorld, round: number) => void;

export function slotProgram(play: SlotPlay): Program {
  const {
    workers,
    polls = 0,
    sends = [],
    forcers = 0,
    controls = [],
    registers = 0,
    mortal,
    preemptions,
  } = play;
  const first = play.firstGeneration ?? 0;
  const slotCase: SlotCase = { ...play, controlled: controls.length > 0 };
  const body =
    (rounds: number, act: Act): Body =>
    (port, self) => {
      act(new SlotWorld(port, slotCase, self.check), self.round);
      return self.round + 1 < rounds ? again(self.round + 1) : undefined;
    };
  const threads: VirtualThread[] = workers.map((rounds, id) => ({
    name: `worker ${id}`,
    body: body(rounds, (world) => void world.work(Me.FIRST_WORKER + id)),
    mortal: mortal === 'workers',
  }));
  const add = (name: string, rounds: number, act: Act, isMortal = false): void => {
    if (rounds > 0) threads.push({ name, body: body(rounds, act), mortal: isMortal });
  };
  add('poller', polls, (world) => void world.poll(), mortal === 'poller');
  add('peer', sends.length, (world, round) => world.kernel.arrive(sends[round] ?? 0));
  for (let i = 0; i < forcers; i++) {
    add(`forcer ${i}`, 1, (world) => void world.force(first), mortal === 'forcer');
  }
  add('controller', controls.length, (world, round) => world.control(controls[round] === 'disable', first));
  if (registers > 0) threads.push({ name: 'registrar', body: registrarBody(slotCase, registers) });
  const ids = new Map(workers.map((_, id) => [`worker ${id}`, Me.FIRST_WORKER + id]));
  const reapers = threads
    .filter((thread) => thread.mortal === true)
    .map((thread): VirtualThread => {
      const dead = ids.get(thread.name) ?? Me.POLLER;
      return {
        name: `reaper of ${thread.name}`,
        body: body(1, (world) => world.reap(dead)),
        reaps: thread.name,
      };
    });
  return {
    threads: [...threads, ...reapers],
    ...(preemptions === undefined ? {} : { preemptions }),
    vanishings: mortal === undefined ? 0 : 1,
    setup: (port) => new SlotWorld(port, slotCase, (condition) => expect(condition).toBe(true)).setUp(),
    silent: isNote,
    ...(play.weak === true ? { stale: (at: number): boolean => !isNote(at) } : {}),
    nameOf,
    invariant: (view) => {
      if (mortal === undefined && hintsIn((at) => view.word(at), slotCase) > 1)
        throw new Error('two live hints (G5)');
    },
    end: (view) => {
      const died = threads.some((thread) => view.status(thread.name) === 'vanished');
      const check = (condition: boolean, message: string): void => {
        if (!condition) throw new Error(message);
      };
      new SlotWorld(view.port, slotCase, check).checkEnd(DRAINER, died);
    },
  };
}

/** Rounds are twice the tries that were made, and one more once it has got the number. */
function registrarBody(slotCase: SlotCase, tries: number): Body {
  return (port, self) => {
    const world = new SlotWorld(port, slotCase, self.check);
    const holds = self.round % 2 === 1 || world.kernel.open();
    if (holds && world.register()) return undefined;
    const next = (self.round >> 1) + 1;
    return next < tries ? again(next * 2 + (holds ? 1 : 0)) : undefined;
  };
}
