/**
 * The parking lot: the last that parked is woken first, one for each piece of work, and no wake-up is lost under all
 * schedules, whoever vanishes. Scenarios 67, 68, 70, 108, 110; 12 for parked workers; 71 for sleepers and wakers.
 */
import { describe, expect, test } from 'vitest';
import { MAX_MEMBERS, ParkingLot, ParkState } from '../../src/sync/parking.ts';
import { AtomicsPort } from '../../src/sync/port.ts';
import { expectHolds } from '../explorer/explore.ts';
import { parkingPlace, parkingProgram, realLot } from './parking-world.ts';

const { SLEEPS_FUTEX, SLEEPS_KERNEL, NOTIFIED, AWAKE } = ParkState;

function makeLot(firstStamp = 0): { lot: ParkingLot; port: AtomicsPort; kicked: number[] } {
  const port = new AtomicsPort(new Int32Array(new SharedArrayBuffer(4 * 128)));
  const kicked: number[] = [];
  const place = { parked: 0, clock: 1, state: 2, stamp: 64, stride: 1 };
  port.store(place.clock, firstStamp);
  return { lot: new ParkingLot(port, place, (member) => kicked.push(member)), port, kicked };
}

describe('a lot, used by one thread', () => {
  test.each([0, 2 ** 31 - 2, -2])('wakes the newest first, with stamps from %i on', (firstStamp) => {
    const { lot } = makeLot(firstStamp);
    const order = [3, 31, 0, 7, 12];
    for (const member of order) lot.announce(member, SLEEPS_FUTEX);
    const woken: (number | undefined)[] = [];
    while (lot.anyParked) {
      woken.push(lot.newest());
      expect(lot.wakeNewest()).toBe(true);
    }
    expect(woken).toEqual(order.toReversed());
    expect(lot.wakeNewest()).toBe(false);
    expect(lot.newest()).toBeUndefined();
  });

  test('has room for 32 members and wakes them all', () => {
    const { lot } = makeLot();
    for (let member = 0; member < MAX_MEMBERS; member++) lot.announce(member, SLEEPS_FUTEX);
    expect(lot.parkedBits).toBe(-1);
    lot.wakeAll();
    expect(lot.parkedBits).toBe(0);
    for (let member = 0; member < MAX_MEMBERS; member++) expect(lot.stateOf(member)).toBe(NOTIFIED);
  });

  test('takes any member out, and wakes it once', () => {
    const { lot } = makeLot();
    for (const member of [0, 1, 2]) lot.announce(member, SLEEPS_FUTEX);
    expect(lot.wake(1)).toBe(true);
    expect(lot.wake(1)).toBe(false);
    expect(lot.wake(9)).toBe(false);
    expect(lot.parkedBits).toBe(0b101);
  });

  test('kicks a member that sleeps in the kernel, and only such', () => {
    const { lot, kicked } = makeLot();
    lot.announce(4, SLEEPS_KERNEL);
    lot.announce(5, SLEEPS_FUTEX);
    lot.wakeAll();
    expect(kicked).toEqual([4]);
  });

  test('tells a member that leaves whether it was chosen', () => {
    const { lot } = makeLot();
    lot.announce(4, SLEEPS_FUTEX);
    expect(lot.settle(4)).toBe(false);
    lot.announce(4, SLEEPS_FUTEX);
    lot.wake(4);
    expect(lot.settle(4)).toBe(true);
    expect(lot.stateOf(4)).toBe(AWAKE);
    expect(lot.anyParked).toBe(false);
  });

  test('does not sleep after a notification, and no longer than asked', () => {
    const { lot } = makeLot();
    lot.announce(4, SLEEPS_FUTEX);
    lot.wake(4);
    lot.sleep(4);
    lot.settle(4);
    lot.announce(4, SLEEPS_FUTEX);
    lot.sleep(4, 1);
    expect(lot.settle(4)).toBe(false);
  });

  test('tells the reaper whether the dead member had been chosen', () => {
    const { lot } = makeLot();
    lot.announce(4, SLEEPS_FUTEX);
    expect(lot.reap(4, 0)).toBe(false);
    lot.announce(4, SLEEPS_FUTEX);
    lot.wake(4);
    expect(lot.reap(4, 0)).toBe(true);
    expect(lot.reap(4, 0)).toBe(false);
    expect(lot.anyParked).toBe(false);
  });

  test('notifies those whom a dead waker had chosen only, however far it came', () => {
    const { lot, port, kicked } = makeLot();
    for (const member of [1, 2, 3]) lot.announce(member, SLEEPS_KERNEL);
    // Of 1 the bit was cleared; of 2 the state was changed too; 3 was not touched.
    port.and(0, ~0b110);
    port.store(2 + 2, NOTIFIED);
    lot.reap(9, 0b1110);
    expect(kicked).toEqual([1, 2]);
    expect(lot.parkedBits).toBe(0b1000);
  });
});

describe('under all schedules', () => {
  test('two members on their futexes miss no wake-up, and one is woken for each piece of work', () => {
    expectHolds(parkingProgram({ members: ['futex', 'futex'], producers: [1] }));
    expectHolds(parkingProgram({ members: ['futex', 'futex'], producers: [2], preemptions: 3 }));
    expectHolds(parkingProgram({ members: ['futex', 'futex'], producers: [1, 1], preemptions: 3 }));
  });

  test('members that sleep in the kernel miss none either', () => {
    expectHolds(parkingProgram({ members: ['kernel', 'kernel'], producers: [1] }));
    expectHolds(parkingProgram({ members: ['futex', 'kernel'], producers: [1, 1], preemptions: 3 }));
  });

  test('three members miss none', () => {
    expectHolds(parkingProgram({ members: ['futex', 'futex', 'futex'], producers: [1], preemptions: 3 }));
    expectHolds(parkingProgram({ members: ['futex', 'futex', 'kernel'], producers: [1, 1], preemptions: 1 }));
  });

  test('a wait that ends by itself loses none', () => {
    expectHolds(parkingProgram({ members: ['futex', 'futex'], producers: [2], timeouts: 2, preemptions: 2 }));
  });

  test.each(['futex', 'kernel'] as const)('a waker that vanishes anywhere loses none (%s)', (how) => {
    expectHolds(parkingProgram({ members: [how, how], producers: [1], mortal: 'producers', preemptions: 3 }));
    expectHolds(
      parkingProgram({ members: [how, how], producers: [1, 1], mortal: 'producers', preemptions: 1 }),
    );
  });

  test.each(['futex', 'kernel'] as const)('a member that vanishes anywhere loses none (%s)', (how) => {
    expectHolds(parkingProgram({ members: [how, how], producers: [1], mortal: 'members', preemptions: 3 }));
    expectHolds(
      parkingProgram({ members: [how, how], producers: [1, 1], mortal: 'members', preemptions: 1 }),
    );
  });

  test('two wakers choose the two newest, one each', () => {
    const waker = (name: string): Parameters<typeof expectHolds>[0]['threads'][number] => ({
      name,
      body: (port, self) => {
        self.check(realLot(port).wakeNewest(), 'there was somebody to wake');
        return undefined;
      },
    });
    expectHolds({
      threads: [waker('V'), waker('W')],
      setup: (port) => {
        for (const member of [2, 0, 1]) realLot(port).announce(member, SLEEPS_FUTEX);
      },
      end: (view) => expect(view.word(parkingPlace.parked)).toBe(1 << 2),
    });
  });
});
