/**
 * Virtual threads that hold locks which name their owner, and die. Nobody hands a lock on: a vanished thread is noted in a
 * word of deaths, as a pool notes the ends of its threads, and whoever wants the lock looks there.
 */
import type { Port } from '../../src/sync/port.ts';
import type { IsDead } from '../../src/sync/waiting.ts';
import type { Body, Program, VirtualThread } from '../explorer/program.ts';

/** First word behind those of the primitives. */
export const DEAD = 200;
/** Words with which bodies check themselves. */
export const INSIDE = 201;
export const DATA = 202;
export const NOTES = 210;

/** As isDead() of src/sync/deaths.ts, over the port of a virtual thread. */
export const deathsSeen =
  (port: Port): IsDead =>
  (owner) =>
    (port.load(DEAD) & (1 << owner)) !== 0;

export const OWNERS: readonly string[] = ['', 'A', 'B', 'C', 'D'];

/** A thread that owns by the id of its place, from 1, and one that notes its death. */
export function users(bodies: readonly Body[], mortal: readonly string[] = []): VirtualThread[] {
  return bodies.flatMap((body, i): VirtualThread[] => {
    const name = OWNERS[i + 1] ?? '';
    if (!mortal.includes(name)) return [{ name, body }];
    const noteDeath: Body = (port) => {
      port.or(DEAD, 1 << (i + 1));
      return undefined;
    };
    return [
      { name, body, mortal: true },
      { name: `death of ${name}`, body: noteDeath, reaps: name },
    ];
  });
}

export type RobustOptions = Partial<Omit<Program, 'threads'>> & {
  /** Who may vanish. */
  readonly mortal?: readonly string[];
};

/** With deaths, sleepers must look again; without, no wake-up may be lost. */
export function robustProgram(
  bodies: readonly Body[],
  { mortal = [], ...rest }: RobustOptions = {},
): Program {
  const threads = users(bodies, mortal);
  return mortal.length === 0 ? { threads, ...rest } : { threads, vanishings: 1, lastResorts: 4, ...rest };
}
