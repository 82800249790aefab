/**
 * The lock for one writer or many readers: they exclude each other under all schedules, nobody is forgotten, and the death of a
 * reader, of a writer, or of one that only waits stops nobody.
 */
import { describe, expect, test } from 'vitest';
import { AtomicsPort, type Port } from '../../src/sync/port.ts';
import { RwLock, rwLockWords } from '../../src/sync/rw-lock.ts';
import { expectFails, expectHolds } from '../explorer/explore.ts';
import { HastyReaderLock, QuietReaderLock, ShutLock } from '../explorer/mutants/robust.ts';
import type { Body, Program } from '../explorer/program.ts';
import { DATA, deathsSeen, INSIDE, OWNERS, type RobustOptions, robustProgram } from './robust-world.ts';

type Make = (port: Port, readers: number) => RwLock;
const real: Make = (port, readers) => new RwLock(port, 0, readers, deathsSeen(port));

/** What a thread does: read or write, for ever patient or not; r, w; R, W that give up. */
type Role = 'r' | 'w' | 'R' | 'W';

const body =
  (me: number, role: Role, readers: number, make: Make): Body =>
  (port, self) => {
    const lock = make(port, readers);
    const patience = role === 'R' || role === 'W' ? 10 : Infinity;
    if (role === 'r' || role === 'R') {
      if (!lock.read(me, patience)) return undefined;
      const whole = port.load(DATA) === port.load(DATA + 1);
      self.check(whole || lock.damaged, 'a reader saw half a change');
      self.check(lock.endRead(me), 'it is a reader');
    } else {
      if (!lock.write(me, patience)) return undefined;
      const inside = port.exchange(INSIDE, me);
      const [first, second] = [port.load(DATA), port.load(DATA + 1)];
      self.check(
        (inside === 0 && first === second) || lock.damaged,
        'two writers, or a dead one and nobody told',
      );
      port.store(DATA, first + 1);
      port.store(DATA + 1, first + 1);
      self.check(port.load(INSIDE) === me, 'two writers');
      port.store(INSIDE, 0);
      self.check(lock.endWrite(me), 'it is the writer');
    }
    self.log(1);
    return undefined;
  };

type Play = RobustOptions & { readonly readers?: number; readonly make?: Make };

function program(roles: string, { readers = 2, make = real, ...rest }: Play = {}): Program {
  const bodies = roles.split('').map((role, i) => body(i + 1, role as Role, readers, make));
  const impatient = roles.split('').filter((role) => role === 'R' || role === 'W').length;
  return {
    ...robustProgram(bodies, { timeouts: impatient, ...rest }),
    end: (view) => {
      const lock = make(view.port, readers);
      expect(lock.tryWrite(9), 'it can be had').toBe(true);
      for (const [i, role] of roles.split('').entries()) {
        const name = OWNERS[i + 1] ?? '';
        if (view.status(name) === 'done' && role === role.toLowerCase()) expect(view.log(name)).toEqual([1]);
      }
    },
  };
}

describe('a lock, used by one thread', () => {
  const dead: number[] = [];
  const make = (readers = 3): RwLock =>
    new RwLock(
      new AtomicsPort(new Int32Array(new SharedArrayBuffer(4 * rwLockWords(readers)))),
      0,
      readers,
      (owner) => dead.includes(owner),
    );

  test('has readers or a writer', () => {
    const lock = make();
    expect([lock.tryRead(1), lock.tryRead(2), lock.tryWrite(3)]).toEqual([true, true, false]);
    expect([lock.endRead(3), lock.endWrite(1), lock.endRead(1), lock.tryWrite(3)]).toEqual([
      false,
      false,
      true,
      false,
    ]);
    expect([lock.endRead(2), lock.endRead(2), lock.tryWrite(3)]).toEqual([true, false, true]);
    expect([lock.tryRead(1), lock.tryWrite(1), lock.endWrite(1)]).toEqual([false, false, false]);
    expect([lock.endWrite(3), lock.endWrite(3), lock.tryRead(1)]).toEqual([true, false, true]);
  });

  test('has no more readers than places', () => {
    const lock = make(2);
    expect([1, 2, 3].map((owner) => lock.tryRead(owner))).toEqual([true, true, false]);
    expect(lock.read(3, 0)).toBe(false);
    lock.endRead(1);
    expect(lock.read(3, 0)).toBe(true);
  });

  test('is not waited for by a thread that has it', () => {
    const lock = make();
    const held = expect.objectContaining({ code: 'ERR_WAKEONE_LOCK_HELD' }) as Error;
    lock.read(1);
    expect(() => lock.write(1)).toThrow(held);
    expect(lock.write(2, 0)).toBe(false);
    lock.endRead(1);
    lock.write(1);
    expect(() => lock.write(1)).toThrow(held);
    expect(() => lock.read(1)).toThrow(held);
  });

  test('that a writer died with tells it to all until a writer has put it right', () => {
    const lock = make();
    lock.write(7);
    dead.push(7);
    expect([lock.tryRead(1), lock.damaged]).toEqual([true, true]);
    expect([lock.endRead(1), lock.damaged]).toEqual([true, true]);
    expect([lock.tryWrite(2), lock.endWrite(2, true), lock.damaged]).toEqual([true, true, true]);
    expect([lock.tryWrite(2), lock.endWrite(2), lock.damaged]).toEqual([true, true, false]);
  });
});

describe('under all schedules a lock', () => {
  test('keeps writers from readers and from each other, and forgets nobody', () => {
    expectHolds(program('wr', { preemptions: 5 }));
    expectHolds(program('ww', { preemptions: 5 }));
    expectHolds(program('wrr', { preemptions: 3 }));
    expectHolds(program('wwr', { preemptions: 3 }));
  });

  test('lets more readers wait than there are places', () => {
    expectHolds(program('rr', { readers: 1, preemptions: 4 }));
    expectHolds(program('rrw', { readers: 1, preemptions: 2 }));
  });

  test('forgets nobody when one gives up', () => {
    expectHolds(program('Wr', { preemptions: 4 }));
    expectHolds(program('wR', { preemptions: 4 }));
    expectHolds(program('Wrw', { preemptions: 2 }));
    expectHolds(program('Wwr', { preemptions: 2 }));
  });

  test('goes on when a thread vanishes anywhere', () => {
    expectHolds(program('wr', { mortal: ['A', 'B'], preemptions: 3 }));
    expectHolds(program('ww', { mortal: ['A'], preemptions: 3 }));
    expectHolds(program('wrr', { mortal: ['A', 'B'], preemptions: 2 }));
    expectHolds(program('wwr', { mortal: ['A', 'C'], preemptions: 2 }));
    expectHolds(program('rr', { readers: 1, mortal: ['A'], preemptions: 2 }));
  });
});

describe('it is found out that', () => {
  test('a reader does not look again', () => {
    const make: Make = (port, readers) => new HastyReaderLock(port, 0, readers, deathsSeen(port));
    expectFails(program('wr', { make, preemptions: 3 }), /half a change|it is a reader/);
  });

  test('a reader leaves without ringing', () => {
    const make: Make = (port, readers) => new QuietReaderLock(port, 0, readers, deathsSeen(port));
    expectFails(program('wr', { make, preemptions: 3 }), /deadlock/);
  });

  test('a writer that finds readers leaves the gate shut', () => {
    const make: Make = (port, readers) => new ShutLock(port, 0, readers, deathsSeen(port));
    expectFails(program('Wr', { make, preemptions: 3 }), /deadlock|it can be had|would wait for ever/);
  });

  test('nobody asks whether a reader lives', () => {
    const make: Make = (port, readers) => new RwLock(port, 0, readers, () => false);
    expectFails(program('wr', { make, mortal: ['B'], preemptions: 3 }), /deadlock|it can be had/);
  });
});
