/** Turns of bare descriptors over the fake kernel: what other threads ask for at the worst moment. Scenarios 21, 25, 89 for the turn alone. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Cause, Trait } from '../../src/slots/record.ts';
import { Flag, Ready, State } from '../../src/slots/word.ts';
import type { FdEvent } from '../../src/sources/fd-event.ts';
import { FdSource } from '../../src/sources/fd-source.ts';
import type { FdHandler } from '../../src/sources/handlers.ts';
import { Registration } from '../../src/sources/registration.ts';
import { armed, contextOf, type FakePool, makeFakePool, rawFd } from '../fake-pool.ts';

/** More turns than any of these needs: one that never rests stops here. */
const MOST_TURNS = 10;
/** As the fake pool is configured. */
const GRACE_MS = 1000;

let pool: FakePool;
let fd: number;
let source: FdSource;
let handler: FdHandler;
let made: ReturnType<typeof contextOf>;

beforeEach(() => {
  pool = makeFakePool();
  fd = pool.native.eventfd();
  made = contextOf(pool, [(event) => handler(event), () => {}]);
  source = new FdSource(made.context);
});

/** The fd's turns until it rests. Returns how many it had. */
function run(): number {
  for (let turns = 0; turns < MOST_TURNS; turns++) {
    const claimed = pool.memory.slots.claim(fd, pool.memory.me);
    if (claimed === 0) return turns;
    source.turn(fd, claimed);
  }
  return MOST_TURNS;
}

/** Readiness from the kernel, and the turns that follow. */
function deliver(bits: number = Ready.IN): number {
  pool.memory.slots.deliver(fd, pool.memory.slots.generation(fd), bits);
  return run();
}

/** The registration as another thread holds it. */
function elsewhere(): Registration {
  const { memory, strands } = pool.member(1);
  return new Registration(memory, strands, fd, memory.slots.generation(fd));
}

describe.each([
  ['edge', Trait.EDGE],
  ['oneshot', 0],
])('a re-arm by hand, %s', (_, traits) => {
  let calls: number;

  beforeEach(() => {
    calls = 0;
    armed(pool, fd, { ...rawFd, traits: traits | Trait.MANUAL });
  });

  test('does not undo a disable of another thread', () => {
    handler = (event: FdEvent) => {
      calls++;
      elsewhere().disable();
      event.exhausted('in');
      event.rearm();
    };
    deliver();
    expect(calls).toBe(1);
    expect(pool.memory.slots.state(fd)).toBe(State.DISABLED);
    deliver();
    expect(calls).toBe(1);
    expect(made.reports).toEqual([]);
  });

  test('is what ends the silence after a delivery', () => {
    handler = (event: FdEvent) => {
      calls++;
      event.exhausted('in');
      if (calls === 1) event.rearm();
    };
    deliver();
    expect(pool.memory.slots.state(fd)).toBe(State.ARMED);
    deliver();
    expect(pool.memory.slots.state(fd)).toBe(State.DISABLED);
    elsewhere().enable();
    run();
    expect(pool.memory.slots.state(fd)).toBe(State.ARMED);
    expect(calls).toBe(2);
  });
});

describe('a handler that rejects after its grace time', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  test('is named, not the one that has got its number meanwhile', async () => {
    let reject: (error: Error) => void = () => {};
    handler = (event: FdEvent) => {
      if (event.last) return;
      return new Promise((_, fail) => {
        reject = fail;
      });
    };
    const generation = armed(pool, fd);
    deliver();
    pool.memory.records.giveReason(fd, generation, Cause.TEARDOWN, 0);
    pool.strands.request(fd, generation, Flag.FORCED);
    made.context.pending.attend();
    vi.advanceTimersByTime(GRACE_MS);
    expect(pool.memory.slots.state(fd)).toBe(State.FREE);
    armed(pool, fd, { ...rawFd, handler: 1 });
    const late = new Error('late');
    reject(late);
    await Promise.resolve();
    await Promise.resolve();
    expect(made.reports).toEqual([late]);
    expect(made.reporters).toEqual(['handler 0']);
  });
});
