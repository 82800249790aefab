/**
 * Which handler of a connection runs when, over the fake kernel: what real sockets bring about too seldom.
 * Scenarios 51, 52.
 */
import { beforeEach, expect, test } from 'vitest';
import { Phase, Trait } from '../../src/slots/record.ts';
import { NO_LIMITS } from '../../src/slots/timeouts.ts';
import { Flag, Ready, State } from '../../src/slots/word.ts';
import { ConnectionSource } from '../../src/sources/connection-source.ts';
import type { ConnectionHandlers } from '../../src/sources/handlers.ts';
import { Registration } from '../../src/sources/registration.ts';
import { connectionFd, contextOf, type FakePool, makeFakePool } from '../fake-pool.ts';

/** More turns than any of these needs: one that never rests stops here. */
const MOST_TURNS = 10;

let pool: FakePool;
let calls: string[];
let fd: number;
let peer: number;

beforeEach(() => {
  pool = makeFakePool();
  calls = [];
  [fd, peer] = pool.native.socketPair();
});

/** A connection in this phase, to which `bits` are reported. */
function register(
  handlers: ConnectionHandlers,
  phase: number,
  bits: number,
  traits = connectionFd.traits,
): ConnectionSource {
  pool.registrar.register(fd, { ...connectionFd, traits });
  pool.memory.records.setPhase(fd, Phase.OPENED | phase);
  pool.strands.finish(fd, bits, bits, false);
  return new ConnectionSource(contextOf(pool, [handlers]).context);
}

/** As register, and its turns until it rests. Returns how many it had. */
function run(handlers: ConnectionHandlers, phase: number, bits: number): number {
  return rest(register(handlers, phase, bits));
}

function rest(source: ConnectionSource): number {
  for (let turns = 0; turns < MOST_TURNS; turns++) {
    const claimed = pool.memory.slots.claim(fd, pool.memory.me);
    if (claimed === 0) return turns;
    source.turn(fd, claimed);
  }
  return MOST_TURNS;
}

const noting: ConnectionHandlers = {
  data: (connection) => {
    calls.push(`data ${connection.read().length}`);
  },
  drain: () => {
    calls.push('drain');
  },
  close: (_, reason) => {
    calls.push(`close ${reason.type}`);
  },
};

test('a hang-up while a drain is owed ends the connection, without the drain', () => {
  pool.native.close(peer);
  const turns = run(noting, Phase.ABOVE_MARK, Ready.OUT | Ready.IN | Ready.RDHUP | Ready.HUP);
  expect(turns).toBeLessThan(MOST_TURNS);
  expect(calls).toEqual(['close end']);
  expect(pool.memory.slots.state(fd)).toBe(State.FREE);
});

test('an error bit without an error does not swallow the drain', () => {
  run(noting, Phase.ABOVE_MARK, Ready.OUT | Ready.ERR);
  expect(calls).toEqual(['drain']);
});

test.each([
  ['edge', Trait.EDGE],
  ['oneshot', 0],
])('a paused connection, %s, whose peer has left sees that after enable()', (_, mode) => {
  pool.native.close(peer);
  const traits = Trait.OWN | Trait.STREAM | mode;
  const left = Ready.IN | Ready.RDHUP | Ready.HUP;
  const source = register(noting, Phase.PAUSED, 0, traits);
  pool.memory.records.hold(fd, 0, true);
  pool.memory.slots.deliver(fd, 0, left);
  rest(source);
  expect(calls).toEqual([]);
  const { memory, strands } = pool.member(1);
  new Registration(memory, strands, fd, 0).modify({ events: ['in'] });
  rest(source);
  expect(calls).toEqual([]);
  new Registration(memory, strands, fd, 0).enable();
  rest(source);
  // The re-arm of a oneshot fd tests the condition again; the fake kernel reports it when it is asked.
  if (mode === 0) pool.memory.slots.deliver(fd, 0, left);
  rest(source);
  expect(calls).toEqual(['close end']);
  expect(pool.memory.slots.state(fd)).toBe(State.FREE);
});

test('after our own end there is no drain: nothing may be written any more', () => {
  run(noting, Phase.ABOVE_MARK | Phase.ENDING, Ready.OUT);
  expect(calls).toEqual([]);
});

test('a thenable that settles at once leaves nothing pending', async () => {
  const thenable = {
    // oxlint-disable-next-line unicorn/no-thenable
    then: (settled: () => void) => settled(),
  } as unknown as Promise<void>;
  const region = pool.native.memory(1);
  pool.native.write(peer, region.address, 1);
  run({ data: (connection) => (connection.consume(), thenable) }, 0, Ready.IN);
  await new Promise((resolve) => setImmediate(resolve));
  expect(pool.memory.slots.state(fd)).toBe(State.ARMED);
});

/** A connection with an idle timeout that the monitor has found over, and asked for. */
function silent(handlers: ConnectionHandlers): ConnectionSource {
  pool.registrar.register(fd, { ...connectionFd, limits: { ...NO_LIMITS, idleMs: 1 } });
  pool.memory.records.setPhase(fd, Phase.OPENED);
  pool.strands.finish(fd, 0, Ready.IN, false);
  const { timeouts, slots } = pool.memory;
  // As the monitor does, which has moved on the clock first.
  timeouts.setCoarse(timeouts.activity(fd) + 10);
  timeouts.judge(fd, timeouts.activity(fd));
  slots.request(fd, 0, Flag.TIMER);
  return new ConnectionSource(contextOf(pool, [handlers]).context);
}

const timed: ConnectionHandlers = {
  ...noting,
  timeout: (_, kind) => {
    calls.push(`timeout ${kind}`);
  },
};

test('a silence that is over is told once', () => {
  rest(silent(timed));
  expect(calls).toEqual(['timeout idle']);
  expect(pool.memory.slots.state(fd)).toBe(State.ARMED);
  // The turn has the monitor look again.
  expect(pool.memory.timeouts.marks.isEmpty).toBe(false);
});

test('without a handler for it a connection ends', () => {
  const reasons: unknown[] = [];
  rest(silent({ close: (_, reason) => void reasons.push(reason) }));
  expect(reasons).toEqual([{ type: 'timeout', kind: 'idle' }]);
  expect(pool.memory.slots.state(fd)).toBe(State.FREE);
});

test('data that the kernel has ends a silence, though it has not been reported (51)', () => {
  const region = pool.native.memory(3);
  const source = silent(timed);
  pool.native.write(peer, region.address, 3);
  rest(source);
  expect(calls).toEqual(['data 3']);
});

test('data in a turn that was asked for by a timeout, and is async: no timeout follows for that silence (51)', async () => {
  const region = pool.native.memory(1);
  const source = silent({ ...timed, data: (connection) => Promise.resolve(connection.consume()) });
  pool.native.write(peer, region.address, 1);
  pool.memory.slots.deliver(fd, 0, Ready.IN);
  rest(source);
  await new Promise((resolve) => setImmediate(resolve));
  pool.memory.slots.request(fd, 0, Flag.TIMER);
  rest(source);
  expect(calls).toEqual([]);
  expect(pool.memory.slots.state(fd)).toBe(State.ARMED);
});

test('a timeout that was pushed ahead before its turn is none (52)', () => {
  const source = silent(timed);
  // As a turn before this one would have.
  pool.memory.timeouts.touch(fd);
  rest(source);
  expect(calls).toEqual([]);
  expect(pool.memory.timeouts.marks.isEmpty).toBe(false);
});

test('a timeout of a disabled connection waits until it is enabled', () => {
  const source = silent(timed);
  const { memory, strands } = pool.member(1);
  const registration = new Registration(memory, strands, fd, 0);
  pool.memory.timeouts.marks.take(() => {});
  registration.disable();
  rest(source);
  expect(calls).toEqual([]);
  // The monitor would find it over again and again.
  expect(pool.memory.timeouts.marks.isEmpty).toBe(true);
  registration.enable();
  rest(source);
  expect(calls).toEqual(['timeout idle']);
});
