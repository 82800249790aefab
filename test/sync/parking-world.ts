/**
 * Members of a parking lot that share a pile of work, and producers that add to it and wake one member for each piece.
 *
 * A member takes work while there is some; else it announces, looks again and sleeps, on its futex or in the kernel
 * (an eventfd word stands for the kernel). All members may end asleep, but not with work on the pile.
 */
import { expect } from 'vitest';
import { ParkingLot, ParkState } from '../../src/sync/parking.ts';
import {
  again,
  type Body,
  type Program,
  type VirtualPort,
  type VirtualThread,
  type View,
} from '../explorer/program.ts';

export type LotLike = Pick<ParkingLot, 'announce' | 'sleep' | 'settle' | 'wakeNewest' | 'reap'>;
type How = typeof ParkState.SLEEPS_FUTEX | typeof ParkState.SLEEPS_KERNEL;

export type ParkingCase = {
  /** How each member sleeps. */
  readonly members: readonly ('futex' | 'kernel')[];
  /** How much each producer adds. */
  readonly producers: readonly number[];
  readonly mortal?: 'members' | 'producers';
  readonly preemptions?: number;
  /** Waits on the futex end by themselves, this often. */
  readonly timeouts?: number;
  readonly makeLot?: (port: VirtualPort) => LotLike;
  /** How a member looks again between announce and sleep: by an ordered load unless said otherwise. */
  readonly secondLook?: 'ordered' | 'plain' | 'none';
  /** Plain reads see old values, as on arm64. */
  readonly weak?: boolean;
};

const PARKED = 0;
const CLOCK = 1;
const WORK = 2;
/** Pieces that were taken; wake-ups that were given and received: kept by the test. */
const TAKEN = 3;
const GIVEN = 4;
const RECEIVED = 5;
const EVENT_FDS = 8;
const STATES = 16;
const STAMPS = 24;
const SAFETY_TIMEOUT_MS = 1000;
/** Just below the wrap of the stamps. */
const FIRST_STAMP = 2 ** 31 - 1;

export const parkingPlace = { parked: PARKED, clock: CLOCK, state: STATES, stamp: STAMPS, stride: 1 };

export const kickOf =
  (port: VirtualPort) =>
  (member: number): void =>
    void port.update(EVENT_FDS + member, () => 1);

export const realLot = (port: VirtualPort): LotLike => new ParkingLot(port, parkingPlace, kickOf(port));

export function parkingProgram(parkingCase: ParkingCase): Program {
  const { members, producers, mortal, preemptions, timeouts = 0 } = parkingCase;
  const threads: VirtualThread[] = [
    ...members.map((how, id) => ({
      name: `member ${id}`,
      body: memberBody(id, how, parkingCase),
      mortal: mortal === 'members',
    })),
    ...producers.map((pieces, id) => ({
      name: `producer ${id}`,
      body: producerBody(pieces, parkingCase),
      mortal: mortal === 'producers',
    })),
  ];
  const reapers = threads
    .filter((thread) => thread.mortal === true)
    .map((thread, id): VirtualThread => {
      // A producer is no member; 31 is one that nobody is.
      const member = mortal === 'members' ? id : 31;
      return { name: `reaper of ${thread.name}`, body: reaperBody(member, parkingCase), reaps: thread.name };
    });
  return {
    threads: [...threads, ...reapers],
    ...(preemptions === undefined ? {} : { preemptions }),
    vanishings: mortal === undefined ? 0 : 1,
    timeouts,
    mayEndAsleep: members.map((_, id) => `member ${id}`),
    setup: (port) => port.store(CLOCK, FIRST_STAMP),
    ...(parkingCase.weak === true ? { stale: (at: number): boolean => at === WORK } : {}),
    silent: (at) => at === GIVEN || at === RECEIVED || at === TAKEN,
    nameOf,
    end: (view) => checkEnd(view, parkingCase),
  };
}

const takeOne = (port: VirtualPort): boolean => port.update(WORK, (left) => (left > 0 ? left - 1 : left)) > 0;

function memberBody(id: number, how: 'futex' | 'kernel', parkingCase: ParkingCase): Body {
  const { makeLot = realLot, secondLook = 'ordered', timeouts } = parkingCase;
  const place: How = how === 'futex' ? ParkState.SLEEPS_FUTEX : ParkState.SLEEPS_KERNEL;
  return (port) => {
    if (takeOne(port)) {
      port.add(TAKEN, 1);
      return again();
    }
    const lot = makeLot(port);
    lot.announce(id, place);
    const left = secondLook === 'ordered' ? port.load(WORK) : secondLook === 'plain' ? port.peek(WORK) : 0;
    if (left === 0) {
      if (how === 'futex') lot.sleep(id, timeouts === undefined ? undefined : SAFETY_TIMEOUT_MS);
      else {
        port.wait(EVENT_FDS + id, 0, Number.POSITIVE_INFINITY);
        port.store(EVENT_FDS + id, 0);
      }
    }
    if (lot.settle(id)) port.add(RECEIVED, 1);
    return again();
  };
}

function producerBody(pieces: number, { makeLot = realLot }: ParkingCase): Body {
  return (port, self) => {
    port.add(WORK, 1);
    if (makeLot(port).wakeNewest()) port.add(GIVEN, 1);
    return self.round + 1 < pieces ? again(self.round + 1) : undefined;
  };
}

/** What the supervisor owes after a death: the lot is reaped, and work that waits wakes somebody. */
function reaperBody(dead: number, { members, makeLot = realLot }: ParkingCase): Body {
  return (port) => {
    const lot = makeLot(port);
    lot.reap(dead, (1 << members.length) - 1);
    if (port.load(WORK) > 0) lot.wakeNewest();
    return undefined;
  };
}

function checkEnd(view: View, { members, producers, mortal }: ParkingCase): void {
  const living = members.filter((_, id) => view.status(`member ${id}`) !== 'vanished').length;
  expect(view.word(WORK), 'work that nobody was woken for').toBe(0);
  expect(view.word(PARKED), 'each member that sleeps can be woken, and no other').toBe(
    members.reduce((bits, _, id) => (view.status(`member ${id}`) === 'asleep' ? bits | (1 << id) : bits), 0),
  );
  if (mortal !== undefined) return;
  expect(living).toBe(members.length);
  expect(view.word(TAKEN), 'each piece was taken once').toBe(
    producers.reduce((sum, pieces) => sum + pieces, 0),
  );
  expect(view.word(RECEIVED), 'one member was chosen for each wake-up').toBe(view.word(GIVEN));
}

function nameOf(at: number): string {
  const known = ['parked', 'clock', 'work', 'taken', 'given', 'received'][at];
  if (known !== undefined) return known;
  if (at >= STAMPS) return `stamp ${at - STAMPS}`;
  return at >= STATES ? `state ${at - STATES}` : `eventfd ${at - EVENT_FDS}`;
}
