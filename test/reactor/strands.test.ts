/**
 * What the owner of a slot does with the kernel, in which order (R1, R2, R5), seen from the system calls that it makes.
 * Scenarios 17, 18, 22, 36 for the rules alone.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import type { FakeCall } from '../../src/native/fake.ts';
import { Epoll, EpollOp, Errno } from '../../src/native/index.ts';
import { Counter, WorkerWord } from '../../src/slots/layout.ts';
import { Cause, causeOf, detailOf, Kind, Trait } from '../../src/slots/record.ts';
import { Flag, flagsOf, Ready, readyOf, State } from '../../src/slots/word.ts';
import { armed, connectionFd, type FakePool, makeFakePool, rawFd, takeAll } from '../fake-pool.ts';

const edgeFd = { ...rawFd, traits: Trait.EDGE };
const ownedFd = { ...rawFd, traits: Trait.OWN };
/** As the pool's own connections: nobody else knows the number. */
const ownStream = { ...rawFd, traits: Trait.OWN | Trait.STREAM };

let pool: FakePool;
let fd: number;

/** A system call, and the state and generation of the slot at that moment. */
type Seen = { call: FakeCall; op?: unknown; bits?: unknown; state: State; generation: number };

beforeEach(() => {
  pool = makeFakePool();
  fd = pool.native.eventfd();
});

function watchCalls(): Seen[] {
  const seen: Seen[] = [];
  pool.native.onCall = (call, ...values) => {
    const { slots } = pool.memory;
    const state = slots.state(fd);
    const generation = slots.generation(fd);
    if (call === 'epollControl') seen.push({ call, op: values[1], bits: values[3], state, generation });
    else seen.push({ call, state, generation });
  };
  return seen;
}

function claim(bits: number = Ready.IN): number {
  pool.memory.slots.deliver(fd, pool.memory.slots.generation(fd), bits);
  const claimed = pool.memory.slots.claim(fd, pool.memory.me);
  takeAll(pool);
  return claimed;
}

describe('registering', () => {
  test('oneshot asks the kernel for what is wanted; the slot is the registrar’s meanwhile', () => {
    const seen = watchCalls();
    expect(pool.registrar.register(fd, { ...rawFd, events: Ready.IN | Ready.PRI })).toBe(0);
    const bits = Epoll.IN | Epoll.PRI | Epoll.ONESHOT;
    expect(seen).toEqual([
      { call: 'epollControl', op: EpollOp.ADD, bits, state: State.ACTIVE, generation: 0 },
    ]);
  });

  test('edge asks for everything, once and for all', () => {
    const seen = watchCalls();
    armed(pool, fd, edgeFd);
    const bits = Epoll.IN | Epoll.PRI | Epoll.OUT | Epoll.RDHUP | Epoll.EDGE;
    expect(seen).toMatchObject([{ op: EpollOp.ADD, bits }]);
  });

  test('a registered number is refused and nothing is asked', () => {
    armed(pool, fd);
    const seen = watchCalls();
    expect(pool.registrar.register(fd, rawFd)).toBe(Errno.EEXIST);
    expect(seen).toEqual([]);
    expect(pool.memory.slots.state(fd)).toBe(State.ARMED);
  });

  test.each([Errno.EPERM, Errno.ENOSPC, Errno.ENOMEM])(
    'if ADD fails (%i) the slot is free again',
    (errno) => {
      pool.native.failNext('epollControl', errno);
      expect(pool.registrar.register(fd, rawFd)).toBe(errno);
      expect(pool.memory.slots.state(fd)).toBe(State.FREE);
      expect(pool.memory.census.registered).toBe(0);
      expect(pool.registrar.register(fd, rawFd)).toBe(0);
      expect(pool.memory.slots.generation(fd)).toBe(1);
    },
  );

  test('readiness that comes before the first turn ends is kept', () => {
    pool.native.signal(fd);
    pool.registrar.register(fd, edgeFd);
    pool.memory.slots.deliver(fd, 0, Ready.IN);
    pool.strands.finish(fd, 0, Ready.IN, false);
    expect(takeAll(pool)).toEqual([fd + 1]);
  });
});

describe('ending a turn, oneshot', () => {
  test('the MOD is made while the slot is still active', () => {
    armed(pool, fd);
    claim();
    const seen = watchCalls();
    expect(pool.strands.finish(fd, Ready.IN, Ready.IN | Ready.HUP, false)).toBe(true);
    const bits = Epoll.IN | Epoll.ONESHOT;
    expect(seen).toEqual([
      { call: 'epollControl', op: EpollOp.MOD, bits, state: State.ACTIVE, generation: 0 },
    ]);
    expect(pool.memory.slots.state(fd)).toBe(State.ARMED);
  });

  test('what is left over is not kept: the kernel tests the condition', () => {
    armed(pool, fd);
    claim();
    pool.strands.finish(fd, Ready.IN, Ready.IN, false);
    expect(readyOf(pool.memory.slots.word(fd))).toBe(0);
  });

  test('an event between the MOD and the end of the turn queues the slot', () => {
    armed(pool, fd);
    claim();
    let delivered = false;
    pool.native.onCall = (call) => {
      if (call !== 'epollControl') return;
      delivered = true;
      // Another worker polls in this very gap.
      pool.member(1).memory.slots.deliver(fd, 0, Ready.IN);
    };
    pool.strands.finish(fd, 0, Ready.IN, false);
    expect(delivered).toBe(true);
    expect(pool.memory.slots.state(fd)).toBe(State.QUEUED);
    expect(takeAll(pool)).toEqual([fd + 1]);
  });

  test('silent: nothing is asked of the kernel', () => {
    armed(pool, fd);
    claim();
    const seen = watchCalls();
    pool.strands.finish(fd, Ready.IN, Ready.IN, true);
    expect(seen).toEqual([]);
    expect(pool.memory.slots.state(fd)).toBe(State.DISABLED);
  });

  describe.each([
    ['borrowed', 0],
    ['owned', Trait.OWN],
    ['the pool’s own', Trait.OWN | Trait.STREAM],
  ])('a number, %s, that was closed behind our back', (_, traits) => {
    const nextTurn = (): number => {
      expect(takeAll(pool)).toEqual([fd + 1]);
      const claimed = pool.memory.slots.claim(fd, pool.memory.me);
      pool.strands.beginEnd(fd);
      pool.strands.end(fd, false);
      return claimed;
    };

    test('and is nobody’s: the next turn is the last', () => {
      armed(pool, fd, { ...rawFd, traits });
      claim();
      pool.native.close(fd);
      expect(pool.strands.finish(fd, 0, Ready.IN, false)).toBe(true);
      expect(pool.counted(Counter.STALE)).toBe(1);
      expect(causeOf(pool.memory.records.reason(fd))).toBe(Cause.FD_GONE);
      expect(flagsOf(nextTurn())).toBe(Flag.FORCED);
      expect(pool.memory.slots.state(fd)).toBe(State.FREE);
      expect(pool.memory.census.registered).toBe(0);
    });

    test('and is another file’s: that one stays open', () => {
      armed(pool, fd, { ...rawFd, traits });
      claim();
      pool.native.close(fd);
      expect(pool.native.eventfd()).toBe(fd);
      pool.strands.finish(fd, 0, Ready.IN, false);
      const seen = watchCalls();
      nextTurn();
      expect(seen.map(({ call }) => call)).toEqual(['epollControl']);
      expect(pool.native.openFds).toContain(fd);
      expect(armed(pool, fd)).toBe(1);
    });

    test('does not hide that a teardown was asked for already', () => {
      const generation = armed(pool, fd, { ...rawFd, traits });
      claim();
      pool.memory.records.giveReason(fd, generation, Cause.TEARDOWN, 7);
      pool.strands.request(fd, generation, Flag.FORCED);
      pool.native.close(fd);
      expect(pool.native.eventfd()).toBe(fd);
      pool.strands.finish(fd, 0, Ready.IN, false);
      expect(detailOf(pool.memory.records.reason(fd))).toBe(7);
      nextTurn();
      expect(pool.native.openFds).toContain(fd);
    });
  });
});

describe('ending a turn, edge', () => {
  test('no system call, whatever is left', () => {
    armed(pool, fd, edgeFd);
    claim(Ready.IN | Ready.OUT);
    const seen = watchCalls();
    pool.strands.finish(fd, Ready.OUT, Ready.IN, false);
    expect(seen).toEqual([]);
    expect(pool.memory.slots.state(fd)).toBe(State.ARMED);
    // Known to be writable, for the day that is wanted.
    expect(readyOf(pool.memory.slots.word(fd))).toBe(Ready.OUT);
  });

  test('a wanted direction that is not exhausted goes to the tail', () => {
    armed(pool, fd, edgeFd);
    claim();
    pool.dispatcher.push(63);
    pool.strands.finish(fd, Ready.IN, Ready.IN, false);
    expect(takeAll(pool)).toEqual([63, fd + 1]);
  });

  test('an edge during the turn brings another', () => {
    armed(pool, fd, edgeFd);
    claim();
    pool.memory.slots.deliver(fd, 0, Ready.IN);
    pool.strands.finish(fd, 0, Ready.IN, false);
    expect(takeAll(pool)).toEqual([fd + 1]);
  });
});

describe('asking', () => {
  test('an armed slot is queued and its hint pushed; a queued or active one only carries the flag', () => {
    const generation = armed(pool, fd);
    expect(pool.strands.request(fd, generation, Flag.CONTROL)).toBe(true);
    expect(pool.strands.request(fd, generation, Flag.FORCED)).toBe(true);
    expect(takeAll(pool)).toEqual([fd + 1]);
    const claimed = pool.memory.slots.claim(fd, pool.memory.me);
    expect(flagsOf(claimed)).toBe(Flag.CONTROL | Flag.FORCED);
    expect(pool.strands.request(fd, generation, Flag.CONTROL)).toBe(true);
    expect(takeAll(pool)).toEqual([]);
    pool.strands.finish(fd, 0, 0, true);
    expect(takeAll(pool)).toEqual([fd + 1]);
  });

  test('a registration that has ended is asked nothing', () => {
    const generation = armed(pool, fd);
    claim();
    pool.strands.beginEnd(fd);
    expect(pool.strands.request(fd, generation, Flag.CONTROL)).toBe(false);
    pool.strands.end(fd, false);
    expect(pool.strands.request(fd, generation, Flag.CONTROL)).toBe(false);
    armed(pool, fd);
    expect(pool.strands.request(fd, generation, Flag.FORCED)).toBe(false);
    expect(flagsOf(pool.memory.slots.word(fd))).toBe(0);
  });

  test('forcing an active slot calls its worker to its pending handlers', () => {
    const generation = armed(pool, fd);
    claim();
    const at = pool.memory.layout.worker(0) + WorkerWord.ATTENTION;
    pool.member(1).strands.request(fd, generation, Flag.FORCED);
    expect(pool.memory.port.load(at)).toBe(1);
  });
});

describe('the end', () => {
  test('borrowed: out of the set, the number stays open', () => {
    armed(pool, fd);
    claim();
    expect(pool.strands.beginEnd(fd)).toBe(true);
    const seen = watchCalls();
    pool.strands.end(fd, false);
    expect(seen).toMatchObject([
      { call: 'epollControl', op: EpollOp.DEL, state: State.CLOSING, generation: 0 },
    ]);
    expect(pool.native.openFds).toContain(fd);
    expect(pool.memory.slots.state(fd)).toBe(State.FREE);
    expect(pool.memory.slots.generation(fd)).toBe(1);
  });

  test('owned: the generation is over before the number is closed, and the slot is free only after', () => {
    armed(pool, fd, ownStream);
    claim();
    pool.strands.beginEnd(fd);
    const seen = watchCalls();
    pool.strands.end(fd, false);
    expect(seen).toEqual([{ call: 'close', state: State.CLOSING, generation: 1 }]);
    expect(pool.native.openFds).not.toContain(fd);
    expect(pool.memory.slots.state(fd)).toBe(State.FREE);
  });

  test('owned, from the app: only what the kernel still knows as ours is closed', () => {
    armed(pool, fd, ownedFd);
    claim();
    pool.strands.beginEnd(fd);
    const seen = watchCalls();
    pool.strands.end(fd, false);
    expect(seen).toMatchObject([
      { call: 'epollControl', op: EpollOp.DEL, state: State.CLOSING, generation: 0 },
      { call: 'close', state: State.CLOSING, generation: 1 },
    ]);
    const source = pool.native.eventfd();
    expect(source).toBe(fd);
    armed(pool, fd, ownedFd);
    claim();
    pool.strands.beginEnd(fd);
    // Behind our back: the number is another file's now.
    pool.native.close(fd);
    expect(pool.native.socketStream('IPv4')).toBe(fd);
    pool.strands.end(fd, false);
    expect(pool.native.openFds).toContain(fd);
    expect(pool.memory.slots.state(fd)).toBe(State.FREE);
  });

  test('owned but kept: as if borrowed', () => {
    armed(pool, fd, ownedFd);
    claim();
    pool.strands.beginEnd(fd);
    const seen = watchCalls();
    pool.strands.end(fd, true);
    expect(seen).toMatchObject([{ op: EpollOp.DEL }]);
    expect(pool.native.openFds).toContain(fd);
  });

  test('it is counted out before the number is closed: from then on it may be the next one’s', () => {
    const listener = pool.native.eventfd();
    const generation = armed(pool, listener, { ...rawFd, kind: Kind.LISTENER });
    pool.registrar.register(fd, { ...connectionFd, listener: { index: listener, generation } });
    const counts: number[][] = [];
    const count = (): void => {
      counts.push([pool.memory.census.registered, pool.memory.records.connections(listener)]);
    };
    pool.strands.beginEnd(fd);
    count();
    pool.native.onCall = count;
    pool.strands.end(fd, false);
    expect(counts).toEqual([
      [2, 1],
      [1, 0],
    ]);
  });

  test('a registrar that is given the number right after the close takes the slot over', () => {
    armed(pool, fd, ownedFd);
    claim();
    pool.strands.beginEnd(fd);
    const other = pool.member(1);
    const source = pool.native.eventfd();
    let taken = false;
    pool.native.onCall = (call, closed) => {
      if (call !== 'close' || closed !== fd || taken) return;
      taken = true;
      // What another thread sees once the kernel has closed the number: it is given out again.
      pool.native.close(fd);
      expect(pool.native.duplicate(source, fd)).toBe(fd);
      expect(other.registrar.adopt(fd, ownedFd)).toBe(fd);
      // This close has been made by now; it must not reach the new file.
      pool.native.failNext('close', Errno.EINTR);
    };
    pool.strands.end(fd, false);
    expect(taken).toBe(true);
    expect(pool.memory.slots.state(fd)).toBe(State.ACTIVE);
    expect(pool.memory.slots.ownerOf(fd, 1)).toBe(other.memory.me);
    expect(pool.memory.census.registered).toBe(1);
  });

  test('its buffers are given back', () => {
    armed(pool, fd, ownedFd);
    claim();
    const { records, data } = pool.memory;
    records.setInput(fd, data.append(0, new Uint8Array(1000)) ?? 0);
    records.setOutput(fd, data.append(0, new Uint8Array(5000)) ?? 0);
    expect(data.lentBytes()).toBeGreaterThan(6000);
    pool.strands.beginEnd(fd);
    pool.strands.end(fd, false);
    expect(data.lentBytes()).toBe(0);
  });

  test('the last of all is told, once', () => {
    let told = 0;
    pool.strands.onLast = () => told++;
    const second = pool.native.eventfd();
    armed(pool, fd);
    armed(pool, second);
    for (const each of [fd, second]) {
      expect(told).toBe(0);
      pool.memory.slots.deliver(each, 0, Ready.IN);
      pool.memory.slots.claim(each, pool.memory.me);
      pool.strands.beginEnd(each);
      pool.strands.end(each, false);
    }
    expect(told).toBe(1);
  });

  test('a listener that waits for room is asked to look again', () => {
    const listener = pool.native.eventfd();
    const generation = armed(pool, listener, { ...rawFd, kind: Kind.LISTENER });
    const result = pool.registrar.register(fd, {
      ...connectionFd,
      listener: { index: listener, generation },
    });
    expect(result).toBe(0);
    expect(pool.memory.records.connections(listener)).toBe(1);
    pool.memory.records.starve(listener);
    pool.strands.beginEnd(fd);
    pool.strands.end(fd, false);
    expect(pool.memory.records.connections(listener)).toBe(0);
    expect(takeAll(pool)).toEqual([listener + 1]);
    expect(flagsOf(pool.memory.slots.claim(listener, pool.memory.me))).toBe(Flag.CONTROL);
  });
});

describe('adopting a number that the kernel has just given out', () => {
  test('whose slot still waits for an old file: the new file moves to another number', () => {
    armed(pool, fd, ownedFd);
    const adopted = pool.registrar.adopt(fd, ownedFd);
    expect(adopted).toBeGreaterThan(fd);
    expect(pool.memory.slots.state(fd)).toBe(State.ARMED);
    expect(pool.memory.slots.state(adopted)).toBe(State.ACTIVE);
    expect(pool.native.openFds).not.toContain(fd);
  });

  test('whose slot is freed between two looks at it: it keeps its number, though no other is left', () => {
    const other = pool.member(1);
    armed(pool, fd, ownedFd);
    claim();
    pool.strands.beginEnd(fd);
    pool.memory.slots.endGeneration(fd);
    const source = pool.native.eventfd();
    pool.native.close(fd);
    expect(pool.native.duplicate(source, fd)).toBe(fd);
    const { slots } = other.memory;
    const takeOver = slots.takeOver.bind(slots);
    slots.takeOver = (index, me) => {
      pool.memory.slots.free(fd, pool.memory.me);
      return takeOver(index, me);
    };
    pool.native.failNext('duplicate', Errno.EMFILE);
    expect(other.registrar.adopt(fd, ownedFd)).toBe(fd);
    expect(slots.ownerOf(fd, 1)).toBe(other.memory.me);
  });

  test('beyond the slots: EMFILE, and it is closed', () => {
    const high = pool.native.duplicate(fd, 64);
    expect(pool.registrar.adopt(high, ownedFd)).toBe(Errno.EMFILE);
    expect(pool.native.openFds).not.toContain(high);
    expect(pool.memory.census.registered).toBe(0);
  });

  test('that epoll refuses: the errno, and it is closed', () => {
    pool.native.failNext('epollControl', Errno.ENOSPC);
    expect(pool.registrar.adopt(fd, ownedFd)).toBe(Errno.ENOSPC);
    expect(pool.native.openFds).not.toContain(fd);
    expect(pool.memory.slots.state(fd)).toBe(State.FREE);
  });
});
