/** Who plays in a group's world, and for how many turns. */
import { expect } from 'vitest';
import { again, type Body, type Program, type VirtualThread } from '../explorer/program.ts';
import { isNote, nameOf } from './group-words.ts';
import { type GroupCase, GroupWorld, Me } from './group-world.ts';

export type GroupPlay = GroupCase & {
  /** Turns of each worker. */
  readonly workers: readonly number[];
  /** What each pusher delivers: a slot, or an event of the first and then one of the second. */
  readonly pushers?: readonly (readonly (number | 'both')[])[];
  /** Slots that another thread adds, removes, tears down. */
  readonly adds?: readonly number[];
  readonly removes?: readonly number[];
  readonly forces?: readonly number[];
  /** Tries of who adds or removes: it waits a while in between. */
  readonly tries?: number;
  readonly mortal?: boolean;
  readonly preemptions?: number;
  /** Plain reads see old values, as on arm64. */
  readonly weak?: boolean;
};

const DRAINER = 32;
type Act = (world: GroupWorld, round: number) => unknown;

export function groupProgram(play: GroupPlay): Program {
  const {
    workers,
    pushers = [],
    adds = [],
    removes = [],
    forces = [],
    tries = 2,
    mortal,
    preemptions,
  } = play;
  const threads: VirtualThread[] = [];
  const body =
    (rounds: number, act: Act): Body =>
    (port, self) => {
      const over = act(new GroupWorld(port, play, self.check), self.round) === true;
      return !over && self.round + 1 < rounds ? again(self.round + 1) : undefined;
    };
  for (const [i, rounds] of workers.entries()) {
    const me = Me.FIRST_WORKER + i;
    const work = body(rounds, (world) => void world.work(me));
    threads.push({ name: `worker ${i}`, body: work, mortal: mortal === true });
    const reap = body(1, (world) => world.reap(me));
    if (mortal === true) threads.push({ name: `reaper of ${i}`, body: reap, reaps: `worker ${i}` });
  }
  const add = (name: string, rounds: number, act: Act): void =>
    void threads.push({ name, body: body(rounds, act) });
  for (const [i, slots] of pushers.entries())
    add(`pusher ${i}`, slots.length, (world, round) => {
      const what = slots[round] ?? 0;
      if (what === 'both') world.deliverBoth();
      else world.deliver(what);
    });
  for (const index of adds) add(`joiner ${index}`, tries, (world) => world.add(index));
  for (const index of removes) add(`leaver ${index}`, tries, (world) => world.remove(index));
  for (const index of forces) add(`forcer ${index}`, 1, (world) => world.force(index));
  return {
    threads,
    ...(preemptions === undefined ? {} : { preemptions }),
    vanishings: mortal === true ? 1 : 0,
    setup: (port) => new GroupWorld(port, play, (condition) => expect(condition).toBe(true)).setUp(),
    silent: isNote,
    ...(play.weak === true ? { stale: (at: number): boolean => !isNote(at) } : {}),
    nameOf,
    end: (view) => {
      const check = (condition: boolean, message: string): void => {
        if (!condition) throw new Error(message);
      };
      new GroupWorld(view.port, play, check).checkEnd(DRAINER);
    },
  };
}
