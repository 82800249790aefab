/** Who plays in a user event's world, and for how many turns. */
import { expect } from 'vitest';
import { isClaimed } from '../../src/slots/user.ts';
import { State, stateOf } from '../../src/slots/word.ts';
import { again, type Body, type Program, type VirtualThread } from '../explorer/program.ts';
import { hintsIn } from './hint-queue.ts';
import { SLOT_WORD } from './slot-words.ts';
import { isNote, nameOf, SLOT_USER } from './user-words.ts';
import { Me, type UserCase, UserWorld } from './user-world.ts';

export type UserPlay = Omit<UserCase, 'controlled'> & {
  /** Turns of each worker. */
  readonly workers: readonly number[];
  /** Posts of each poster. */
  readonly posters?: readonly number[];
  readonly forcers?: number;
  readonly controls?: readonly ('disable' | 'enable')[];
  /** Tries of the registrar to use the slot again; of items, how many it tries to post. */
  readonly registers?: number;
  readonly mortal?: 'workers' | 'posters' | 'registrar';
  readonly preemptions?: number;
  /** Plain reads see old values, as on arm64. */
  readonly weak?: boolean;
};

const DRAINER = 32;
type Act = (world: UserWorld, round: number) => void;

export function userProgram(play: UserPlay): Program {
  const { workers, posters = [], forcers = 0, controls = [], registers = 0, mortal, preemptions } = play;
  const first = play.firstGeneration ?? 0;
  const userCase: UserCase = { ...play, controlled: controls.length > 0 };
  const threads: VirtualThread[] = [];
  const ids = new Map<string, number>();
  const body =
    (rounds: number, act: Act): Body =>
    (port, self) => {
      act(new UserWorld(port, userCase, self.check), self.round);
      return self.round + 1 < rounds ? again(self.round + 1) : undefined;
    };
  const add = (name: string, id: number, rounds: number, act: Act, isMortal = false): void => {
    ids.set(name, id);
    if (rounds > 0) threads.push({ name, body: body(rounds, act), mortal: isMortal });
  };
  for (const [i, rounds] of workers.entries()) {
    const me = Me.FIRST_WORKER + i;
    add(`worker ${i}`, me, rounds, (world) => void world.work(me), mortal === 'workers');
  }
  let posts = 0;
  for (const [i, rounds] of posters.entries()) {
    const from = posts;
    // A poster owns no slot: its id is nobody's.
    add(`poster ${i}`, 0, rounds, (world, round) => world.post(from + round), mortal === 'posters');
    posts += rounds;
  }
  for (let i = 0; i < forcers; i++) add(`forcer ${i}`, 0, 1, (world) => world.force(first));
  add('controller', 0, controls.length, (world, round) =>
    world.control(controls[round] === 'disable', first),
  );
  add('registrar', Me.REGISTRAR, registers, (world) => void world.register(), mortal === 'registrar');
  const reapers = threads
    .filter((thread) => thread.mortal === true)
    .map((thread): VirtualThread => {
      const dead = ids.get(thread.name) ?? 0;
      const reap = body(1, (world) => world.reap(dead === 0 ? NOBODY : dead));
      return { name: `reaper of ${thread.name}`, body: reap, reaps: thread.name };
    });
  return {
    threads: [...threads, ...reapers],
    ...(preemptions === undefined ? {} : { preemptions }),
    vanishings: mortal === undefined ? 0 : 1,
    setup: (port) => new UserWorld(port, userCase, (condition) => expect(condition).toBe(true)).setUp(),
    silent: isNote,
    ...(play.weak === true ? { stale: (at: number): boolean => !isNote(at) } : {}),
    nameOf,
    invariant: (view) => {
      if (mortal === undefined && hintsIn((at) => view.word(at)) > 1) throw new Error('two live hints (G5)');
      const state = stateOf(view.word(SLOT_WORD));
      const owned = state === State.ACTIVE || state === State.CLOSING;
      if (!owned && isClaimed(view.word(SLOT_USER))) throw new Error('the mark stays');
    },
    end: (view) => {
      const died = threads.some((thread) => view.status(thread.name) === 'vanished');
      const check = (condition: boolean, message: string): void => {
        if (!condition) throw new Error(message);
      };
      new UserWorld(view.port, userCase, check).checkEnd(DRAINER, died);
    },
  };
}

/** An owner that no slot has. */
const NOBODY = 31;
