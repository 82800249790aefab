/**
 * What the proofs are worth: each of these mistakes, seeded one at a time into the code that the other files explore,
 * is found by the same explorations. Three of them have been in src for a while. Scenario 90.
 */
import { describe, test } from 'vitest';
import { SLOT_WORD } from '../slots/slot-words.ts';
import type { SlotCase } from '../slots/slot-world.ts';
import { slotProgram, type SlotPlay } from '../slots/slot-program.ts';
import { groupProgram, type GroupPlay } from '../slots/group-program.ts';
import { INBOX } from '../slots/group-words.ts';
import { userProgram, type UserPlay } from '../slots/user-program.ts';
import { SLOT_USER } from '../slots/user-words.ts';
import { GroupTable } from '../../src/slots/groups.ts';
import { SlotTable } from '../../src/slots/table.ts';
import { Merge, UserWords } from '../../src/slots/user.ts';
import { type MutexCase, mutexProgram, realMutex } from '../sync/mutex-world.ts';
import { type ParkingCase, parkingProgram } from '../sync/parking-world.ts';
import { realRing, type RingCase, ringProgram } from '../sync/ring-world.ts';
import { expectFails } from './explore.ts';
import { TicketlessGroups } from './mutants/groups.ts';
import { HastyRing, HeadFirstRing, LaplessRing } from './mutants/rings.ts';
import {
  BitFirstLot,
  ForgetfulMutex,
  LateClearLot,
  NarrowReapLot,
  TrustingReapLot,
  NarrowRecoverMutex,
} from './mutants/sleepers.ts';
import { SplitPort } from './mutants/split-port.ts';
import * as Tables from './mutants/tables.ts';
import * as RunsOfUnits from './mutants/units.ts';
import * as Users from './mutants/users.ts';

describe('a ring that', () => {
  const start = 0;
  const fails = (ringCase: RingCase): void =>
    void expectFails(ringProgram(ringCase), /no queue answers so|no end after|the ring/);

  test('publishes and takes in two steps', () => {
    const makeRing: RingCase['makeRing'] = (port, capacity) =>
      realRing(new SplitPort(port, (at) => at >= 2 && at < 2 + capacity), capacity);
    fails({ capacity: 2, start, threads: [[1], [2], ['take']], makeRing });
    fails({ capacity: 2, start, threads: [['take'], ['take']], filled: [1], makeRing });
  });

  test('moves its head before it takes, when a taker vanishes', () => {
    const makeRing: RingCase['makeRing'] = (port, capacity) => new HeadFirstRing(port, capacity);
    fails({ capacity: 2, start, threads: [[1], ['take', 'take']], filled: [9], mortal: true, makeRing });
  });

  test('calls itself full on an old look at its tail', () => {
    const makeRing: RingCase['makeRing'] = (port, capacity) => new HastyRing(port, capacity);
    fails({ capacity: 2, start, threads: [[1], [2], ['take']], makeRing });
  });

  test('has no laps', () => {
    const makeRing: RingCase['makeRing'] = (port, capacity) => new LaplessRing(port, capacity);
    fails({ capacity: 2, start, threads: [[1, 2], ['take'], [3]], makeRing });
  });
});

describe('a mutex that', () => {
  const fails = (mutexCase: MutexCase): void =>
    void expectFails(mutexProgram(mutexCase), /deadlock|two threads hold the lock/);

  test('forgets that others sleep when a sleeper takes it', () => {
    fails({ turns: [1, 1, 1], makeMutex: (port) => new ForgetfulMutex(port) });
  });

  test('is taken in two steps', () => {
    fails({ turns: [1, 1], makeMutex: (port) => realMutex(new SplitPort(port, () => true)) });
  });

  test('passes the wake-up of a dead thread on only while it is free', () => {
    fails({
      turns: [1, 1, 1],
      mortal: true,
      preemptions: 3,
      makeMutex: (port) => new NarrowRecoverMutex(port),
    });
  });
});

describe('a parking lot that', () => {
  const fails = (parkingCase: Partial<ParkingCase>): void =>
    void expectFails(
      parkingProgram({ members: ['futex', 'futex'], producers: [1, 1], preemptions: 3, ...parkingCase }),
      /work that nobody was woken for|each member that sleeps can be woken/,
    );

  test('is used without a second look', () => fails({ secondLook: 'none' }));
  test('is used with a second look by a plain read', () => fails({ secondLook: 'plain', weak: true }));
  test('clears the bit after the notification', () => fails({ makeLot: (port) => new LateClearLot(port) }));
  test('shows the bit before the state', () => fails({ makeLot: (port) => new BitFirstLot(port) }));
  test('overlooks, in its reap, those that were chosen but not notified', () =>
    fails({ mortal: 'producers', makeLot: (port) => new NarrowReapLot(port) }));

  test('overlooks, in its reap, those of them that have parked again', () =>
    fails({ members: ['kernel'], mortal: 'producers', makeLot: (port) => new TrustingReapLot(port) }));
});

describe('a slot table that', () => {
  const base: SlotPlay = {
    mode: 'edge',
    ring: 'atomic',
    workers: [2, 2],
    polls: 2,
    sends: [1, 1],
    preemptions: 4,
  };
  const reuse: Partial<SlotPlay> = { workers: [2], polls: 2, sends: [1, 2], forcers: 1, registers: 2 };
  const fails = (makeTable: SlotCase['makeTable'], message: RegExp, play: Partial<SlotPlay> = {}): void =>
    void expectFails(
      slotProgram({ ...base, ...play, ...(makeTable === undefined ? {} : { makeTable }) }),
      message,
    );

  test('forgets in finish what came during the turn', () =>
    fails((port, layout) => new Tables.ClearsInFinish(port, layout), /\(G2\)/));

  test('forgets in finish what was asked for during the turn', () =>
    fails((port, layout) => new Tables.IgnoresFlags(port, layout), /close runs once/, { forcers: 1 }));

  test('queues a slot whose handler runs', () =>
    fails((port, layout) => new Tables.DeliversToActive(port, layout), /\(G1\)|only the owner/));

  test('pushes a second hint', () => fails((port, layout) => new Tables.PushesTwice(port, layout), /\(G5\)/));

  test('takes bits and flags after the claim', () =>
    fails((port, layout) => new Tables.ClaimsInTwoSteps(port, layout), /close runs once/, { forcers: 1 }));

  test('swaps its word in two steps', () =>
    fails(
      (port, layout) => new SlotTable(new SplitPort(port, (at) => at === SLOT_WORD), layout),
      /\(G\d\)|only the owner|close runs|as was asked/,
      { forcers: 1 },
    ));

  test('takes a request of an earlier generation for one of its own', () =>
    fails((port, layout) => new Tables.AcceptsAnyGeneration(port, layout), /close runs only/, {
      ...reuse,
      forcers: 2,
      preemptions: 2,
    }));

  test('lets a registrar take any slot', () =>
    fails((port, layout) => new Tables.TakesAnything(port, layout), /same generation|\(G\d\)/, reuse));

  test('writes the generation after close(fd)', () =>
    fails(
      (port, layout) => new Tables.EndsLate(port, layout),
      /same generation|\(G\d\)|only the owner/,
      reuse,
    ));

  test('frees a slot that was taken over', () =>
    fails(
      (port, layout) => new Tables.FreesAnything(port, layout),
      /as was asked|only the owner|\(G\d\)/,
      reuse,
    ));

  test('is used by an owner that re-arms after it has given the slot back', () =>
    fails(undefined, /another generation \(G4\)/, {
      mode: 'oneshot',
      mistake: 're-arms after ARMED',
      forcers: 1,
    }));

  test('is used by a supervisor that gives up the slot before it asks the kernel', () =>
    fails(undefined, /same generation|\(G\d\)/, {
      ...reuse,
      workers: [1],
      mistake: 'reaper gives up the slot first',
      mortal: 'workers',
    }));

  test('is used by a supervisor that forgets the batch of a dead poller', () =>
    fails(undefined, /\(G2\)/, { mistake: 'reaper forgets the batch', workers: [1], mortal: 'poller' }));
});

describe('a user word that', () => {
  const base: UserPlay = {
    kind: 'event',
    merge: Merge.COUNT,
    workers: [2, 1],
    posters: [1, 1],
    preemptions: 3,
  };
  const ends: Partial<UserPlay> = { workers: [1, 1], posters: [2], forcers: 1, registers: 1 };
  const dies: Partial<UserPlay> = { mortal: 'workers', preemptions: 2 };
  const fails = (play: Partial<UserPlay>, message: RegExp): void =>
    void expectFails(userProgram({ ...base, ...play }), message);
  const TAKEN_WRONGLY = /took \d+, and \d+ waited|posted and not delivered/;

  test('takes posts of any generation', () =>
    fails(
      { ...ends, makeUsers: (port, layout) => new Users.PostsToAnyGeneration(port, layout) },
      TAKEN_WRONGLY,
    ));

  test('tells a poster by an old look that another one asks for the turn', () =>
    fails({ makeUsers: (port, layout) => new Users.JoinsByFirstLook(port, layout) }, TAKEN_WRONGLY));

  test('is taken in two steps', () =>
    fails(
      { makeUsers: (port, layout) => new UserWords(new SplitPort(port, (at) => at === SLOT_USER), layout) },
      TAKEN_WRONGLY,
    ));

  test('forgets in settle what came during the handler', () =>
    fails(
      { merge: Merge.ADD, makeUsers: (port, layout) => new Users.ClearsInSettle(port, layout) },
      TAKEN_WRONGLY,
    ));

  test('is not marked by who takes from it', () =>
    fails(
      { ...dies, merge: Merge.ADD, makeUsers: (port, layout) => new Users.TakesUnmarked(port, layout) },
      /nobody told/,
    ));

  test('is posted to by a thread that asks for the turn first', () =>
    fails({ mistake: 'asks for a turn before it posts' }, /posted and not delivered/));

  test('is settled by an owner that does not look whether more waits', () =>
    fails({ mistake: 'settles without a look' }, /posted and not delivered/));

  test('is settled by an owner before its handler has run', () =>
    fails({ ...dies, merge: Merge.ADD, mistake: 'settles before the handler' }, /nobody told/));

  test('is never settled', () => fails({ mistake: 'never settles' }, /the mark stays/));

  test('stays open after the last take', () =>
    fails({ ...ends, mistake: 'last take leaves the word open' }, /posted and not delivered/));

  test('is used by a supervisor that overlooks the mark', () =>
    fails({ ...dies, mistake: 'reaper overlooks the mark' }, /nobody told|the mark stays/));

  test('is used by a supervisor that gives the slot away before it looks at the mark', () =>
    fails({ ...dies, mistake: 'reaper gives the slot away first' }, /told|the mark stays/));

  test('is used by a supervisor that overlooks what a dead poster has left', () =>
    fails({ mortal: 'posters', mistake: 'reaper overlooks what waits' }, /posted and not delivered/));

  test('is used by a supervisor that overlooks what a dead owner has left of a slot that it was ending', () =>
    fails(
      { ...ends, ...dies, makeUsers: (port, layout) => new Users.ReapsTheMarkOnly(port, layout) },
      /nobody told/,
    ));
});

describe('a run of units that', () => {
  const base: UserPlay = {
    kind: 'event',
    merge: Merge.COUNT,
    more: 2,
    workers: [2, 1],
    posters: [2, 1],
    preemptions: 2,
  };
  const fails = (play: Partial<UserPlay>, message: RegExp): void =>
    void expectFails(userProgram({ ...base, mortal: 'workers', ...play }), message);
  const COUNTED_WRONGLY = /took 1, and 0 waited|posted and not delivered|the mark stays/;

  test('leaves the word before its mark does', () =>
    fails({ makeUnits: (...given) => new RunsOfUnits.SettlesInTwoSteps(...given) }, COUNTED_WRONGLY));

  test('leaves the word after its mark has', () =>
    fails({ makeUnits: (...given) => new RunsOfUnits.UnmarksFirst(...given) }, COUNTED_WRONGLY));

  test('is taken as a whole', () =>
    fails({ makeUnits: (...given) => new RunsOfUnits.TakesTheRun(...given) }, COUNTED_WRONGLY));

  test('leaves its lane before its slot knows', () =>
    fails({ async: true, makeUnits: (...given) => new RunsOfUnits.ParksTooLate(...given) }, COUNTED_WRONGLY));

  test('is reaped by a supervisor that takes the mark alone', () =>
    fails({ makeUnits: (...given) => new RunsOfUnits.ReapsTheMark(...given) }, COUNTED_WRONGLY));

  test('is started only after the handler has run', () =>
    fails({ mistake: 'starts a unit after its handler' }, /took 1, and 0 waited|nobody told/));

  test('ends without a look at what has joined it', () =>
    void expectFails(
      userProgram({ ...base, more: 0, mistake: 'settles without a look' }),
      /posted and not delivered/,
    ));
});

describe('a group that', () => {
  const base: GroupPlay = { members: [0, 1], workers: [2, 1], pushers: [[1, 0]], preemptions: 2 };
  const fails = (play: Partial<GroupPlay>, message: RegExp): void =>
    void expectFails(groupProgram({ ...base, ...play }), message);
  const FORGOTTEN = /is forgotten|the group is at rest|the list is|the count/;

  test('takes its inbox in two steps', () =>
    fails(
      {
        members: [],
        adds: [0, 1],
        makeGroups: (port, layout, slots) =>
          new GroupTable(new SplitPort(port, (at) => at === INBOX), layout, slots),
      },
      FORGOTTEN,
    ));

  test('looks at no tickets', () =>
    fails(
      {
        pushers: [['both']],
        makeGroups: (port, layout, slots) => new TicketlessGroups(port, layout, slots),
      },
      /the second has its turn before the first/,
    ));

  test('has members that are pushed by themselves', () => fails({ mistake: 'pushes the member' }, FORGOTTEN));

  test('is asked for a turn before its member is queued', () =>
    fails({ mistake: 'asks the group before the member is queued' }, FORGOTTEN));

  test('forgets whom its budget has no room for', () =>
    fails({ budget: 1, mistake: 'forgets whom its budget has no room for' }, FORGOTTEN));

  test('has members that take turns by hints of their own', () =>
    fails(
      { members: [0], workers: [1, 1], adds: [1], mistake: 'strays are not looked for' },
      /two handlers at once/,
    ));

  test('has a member that joined between the look for strays and the claim', () =>
    fails(
      {
        members: [0],
        workers: [1, 1],
        adds: [1],
        preemptions: 3,
        mistake: 'a claim that met a joiner is kept',
      },
      /two handlers at once/,
    ));

  test('is not put right after a death', () =>
    fails(
      {
        workers: [1, 1],
        forces: [0],
        mortal: true,
        preemptions: 1,
        mistake: 'reaper has no list made again',
      },
      FORGOTTEN,
    ));

  test('is given away by a supervisor that has not ended its members', () =>
    fails(
      {
        workers: [1, 2],
        forces: [0],
        mortal: true,
        preemptions: 2,
        mistake: 'reaper gives the group away first',
      },
      FORGOTTEN,
    ));
});
