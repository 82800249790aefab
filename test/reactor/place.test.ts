/**
 * The meeting of an attached Worker and the end of its pool, under all schedules: no descriptor is used that is closed, nothing
 * is registered behind the pool's last look, and a Worker that vanishes inside holds nothing up (A1, A2). Scenarios 71 and 78
 * for attached threads.
 */
import { describe, expect, test } from 'vitest';
import { Place, PlaceKernel, PlaceWord } from '../../src/reactor/place.ts';
import { PoolPhase } from '../../src/slots/memory.ts';
import { AtomicsPort, type Port } from '../../src/sync/port.ts';
import { expectFails, expectHolds } from '../explorer/explore.ts';
import { again, type Body, type Program, type VirtualThread } from '../explorer/program.ts';

/** Behind the words of the place. */
const PHASE = 10;
const CLOSED = 11;
const FORGOTTEN = 12;

const phaseOf = (port: Port): { readonly phase: PoolPhase } => ({
  get phase() {
    return port.load(PHASE) as PoolPhase;
  },
});

/** Looks before it says that it is inside. */
class HastyPlace extends Place {
  readonly #port: Port;

  constructor(port: Port) {
    super(port, phaseOf(port));
    this.#port = port;
  }

  override enter(phase: PoolPhase): boolean {
    if (this.#port.load(PHASE) > phase) return false;
    this.#port.add(PlaceWord.INSIDE, 1);
    return true;
  }
}

/** The pool ends: sets the phase, waits until nobody is inside, does what must come after that. */
function program(work: Body, phase: PoolPhase): Program {
  const worker: VirtualThread = { name: 'worker', mortal: true, body: work };
  const exit: VirtualThread = {
    name: 'exit',
    reaps: 'worker',
    body: (port) => {
      port.store(FORGOTTEN, 1);
      return undefined;
    },
  };
  const pool: VirtualThread = {
    name: 'pool',
    body: (port, self) => {
      if (self.round === 0) port.store(PHASE, phase);
      if (port.load(PlaceWord.INSIDE) !== 0 && port.load(FORGOTTEN) === 0) return again(1);
      port.store(CLOSED, 1);
      return undefined;
    },
  };
  return { threads: [worker, pool, exit], vanishings: 1, end: (view) => expect(view.word(CLOSED)).toBe(1) };
}

const signals =
  (make: (port: Port) => Place): Body =>
  (port, self) => {
    const check = (): number => {
      self.check(port.load(CLOSED) === 0, 'a closed descriptor is used');
      return 8;
    };
    const native = { signal: check, setTimer: check, epollControl: check, close: check };
    const kernel = new PlaceKernel(native, make(port));
    kernel.signal(5);
    kernel.setTimer(7, 1);
    kernel.epollControl(5, 1, 6, 0, 6, 0);
    return self.round < 1 ? again(self.round + 1) : undefined;
  };

const registers =
  (make: (port: Port) => Place): Body =>
  (port, self) => {
    const place = make(port);
    if (!place.enter(PoolPhase.OPEN)) return undefined;
    // Nested, as a wake-up is.
    if (place.enter(PoolPhase.DESTROYING)) place.leave();
    self.check(port.load(CLOSED) === 0, 'registered after the last look');
    place.leave();
    return self.round < 1 ? again(self.round + 1) : undefined;
  };

const real = (port: Port): Place => new Place(port, phaseOf(port));

describe('the end of a pool', () => {
  test('closes no descriptor that an attached thread uses', () => {
    expectHolds(program(signals(real), PoolPhase.CLOSED));
    expectFails(
      program(
        signals((port) => new HastyPlace(port)),
        PoolPhase.CLOSED,
      ),
      /closed descriptor/,
    );
  });

  test('sees whatever an attached thread has registered', () => {
    expectHolds(program(registers(real), PoolPhase.DRAINING));
    expectFails(
      program(
        registers((port) => new HastyPlace(port)),
        PoolPhase.DRAINING,
      ),
      /last look/,
    );
  });
});

test('a ticket is used once, and the last one counts', () => {
  const port = new AtomicsPort(new Int32Array(new SharedArrayBuffer(64)));
  const place = real(port);
  expect(place.join(1)).toBe(false);
  port.store(PlaceWord.TICKET, 1);
  port.store(PlaceWord.TICKET, 2);
  expect(place.join(1)).toBe(false);
  expect(port.load(PlaceWord.JOINED)).toBe(0);
  expect(place.join(2)).toBe(true);
  expect(port.load(PlaceWord.JOINED)).toBe(1);
  expect(place.join(2)).toBe(false);
});
