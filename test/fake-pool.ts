/** A pool without threads: its shared memory and the pieces of the reactor over the fake kernel, for tests of one piece. */
import { FakeNative, type FakeOptions } from '../src/native/fake.ts';
import { Epoll, EpollOp } from '../src/native/index.ts';
import { Dispatcher, OwnEvent, type PoolDispatcher } from '../src/reactor/dispatcher.ts';
import { LoopTurns } from '../src/reactor/loop-turns.ts';
import { microseconds } from '../src/reactor/sight.ts';
import { Config, type Counter, Owner, WorkerWord, Word } from '../src/slots/layout.ts';
import { attachMemory, createMemory, type PoolMemory } from '../src/slots/memory.ts';
import { Kind, Trait } from '../src/slots/record.ts';
import { Ready } from '../src/slots/word.ts';
import { makeAccess, type PoolAccess } from '../src/sources/access.ts';
import { Connecting } from '../src/sources/connecting.ts';
import { makeScratch, type WorkerContext } from '../src/sources/context.ts';
import type { ConnectionHandlers, FdHandler } from '../src/sources/handlers.ts';
import { Locals } from '../src/sources/locals.ts';
import { PendingHandlers } from '../src/sources/pending.ts';
import type { Application } from '../src/sources/registrar.ts';
import { StateRows } from '../src/sources/state-rows.ts';

export type FakePoolOptions = {
  readonly maxFds?: number;
  readonly ringSize?: number;
  readonly bufferBytes?: number;
  readonly threads?: number;
  readonly config?: Readonly<Record<number, number>>;
  readonly native?: FakeOptions;
};

/** What one thread of a pool has. */
export type Member = PoolAccess & { readonly dispatcher: PoolDispatcher };

export type FakePool = Member & {
  readonly native: FakeNative;
  /** The descriptors that the pool itself has. */
  readonly epoll: number;
  readonly wake: number;
  readonly stop: number;
  readonly workers: readonly number[];
  /** Another worker of the same pool, counted from 0; the pool's own pieces are worker 0's. */
  member(worker: number): Member;
  /** A counter of worker 0. */
  counted(counter: Counter): number;
};

function memberOf(memory: PoolMemory, native: FakeNative): Member {
  const dispatcher: PoolDispatcher = new Dispatcher(memory, native);
  return { ...makeAccess(dispatcher, native), dispatcher };
}

export function makeFakePool(options: FakePoolOptions = {}): FakePool {
  const { maxFds = 64, ringSize = 128, bufferBytes = 1 << 22, threads = 2 } = options;
  const native = new FakeNative(options.native);
  const epoll = native.epollCreate();
  const wake = native.eventfd();
  const stop = native.eventfd();
  const workers = Array.from({ length: threads }, () => native.eventfd());
  const config: Record<number, number> = {
    [Config.MAX_THREADS]: threads,
    [Config.CONCURRENCY]: threads,
    [Config.EPOLL_FD]: epoll,
    [Config.WAKE_FD]: wake,
    [Config.STOP_FD]: stop,
    [Config.MONITORED]: 1,
    [Config.GRACE_MS]: 1000,
    [Config.HIGH_WATER_MARK]: 64 * 1024,
    [Config.MAX_INPUT]: 1 << 20,
    [Config.MAX_OUTPUT]: 1 << 20,
    ...options.config,
  };
  const words = new Map(Object.entries(config).map(([at, value]) => [Number(at), value]));
  const memory = createMemory(maxFds, ringSize, bufferBytes, words, Owner.FIRST_WORKER, 0);
  for (const [worker, fd] of workers.entries()) {
    memory.words[memory.layout.worker(worker) + WorkerWord.EVENT_FD] = fd;
  }
  const own = memberOf(memory, native);
  native.epollControl(epoll, EpollOp.ADD, wake, Epoll.IN | Epoll.EDGE, OwnEvent.WAKE, 0);
  native.epollControl(epoll, EpollOp.ADD, stop, Epoll.IN, OwnEvent.STOP, 0);
  const counters = new Float64Array(memory.buffers.control, 0, memory.layout.counters(1));
  return {
    ...own,
    native,
    epoll,
    wake,
    stop,
    workers,
    member: (worker) => memberOf(attachMemory(memory.buffers, Owner.FIRST_WORKER + worker, worker), native),
    counted: (counter) => counters[memory.layout.counters(0) + counter] ?? 0,
  };
}

export const rawFd: Application = { handler: 0, kind: Kind.RAW, traits: 0, events: Ready.IN, cookie: 0n };
export const connectionFd: Application = {
  handler: 0,
  kind: Kind.CONNECTION,
  traits: Trait.OWN | Trait.EDGE | Trait.STREAM,
  events: Ready.IN,
  cookie: 0n,
};

/** Registers `fd` and ends the registrar's turn: the slot is armed. Returns its generation. */
export function armed({ memory, strands, registrar }: Member, fd: number, application = rawFd): number {
  const result = registrar.register(fd, application);
  if (result < 0) throw new Error(`register: ${result}`);
  strands.finish(fd, 0, application.events | Ready.ERR | Ready.HUP | Ready.RDHUP, false);
  return memory.slots.generation(fd);
}

/** Takes all hints that wait. */
export function takeAll({ dispatcher }: Member): number[] {
  const hints: number[] = [];
  for (let hint = dispatcher.take(); hint !== 0; hint = dispatcher.take()) hints.push(hint);
  return hints;
}

/** How far ahead the monitor's alarm is set from now on, each time. Takes the place of what else listened to the kernel's calls. */
export function alarmsOf({ native }: Pick<FakePool, 'native'>): number[] {
  const alarms: number[] = [];
  native.onCall = (call, ...values) => {
    if (call === 'setTimer') alarms.push(Number(values[1]));
  };
  return alarms;
}

/** As if the last look at the ring had been so long ago. */
export function ageSight({ memory }: PoolAccess, ms: number): void {
  memory.port.store(Word.SEEN_AT, microseconds() - ms * 1000);
}

/** What the sources of worker 0 need, what they report, and whose handler that was. */
export function contextOf(
  pool: FakePool,
  handlers: readonly (ConnectionHandlers | FdHandler)[],
): { readonly context: WorkerContext; readonly reports: unknown[]; readonly reporters: string[] } {
  const { memory, native, strands, registrar } = pool;
  const reports: unknown[] = [];
  const reporters: string[] = [];
  const loop = new LoopTurns(native);
  const context: WorkerContext = {
    worker: 0,
    memory,
    native,
    strands,
    registrar,
    connecting: new Connecting(memory, strands),
    groups: undefined,
    locals: new Locals(memory),
    rows: new StateRows(memory),
    loop,
    pending: new PendingHandlers(memory, 0, 1000, (count) => {
      loop.pendingHandlers = count;
    }),
    handlers,
    names: handlers.map((_, number) => `handler ${number}`),
    entries: handlers.map((handler, number) => ({
      name: `handler ${number}`,
      kind: typeof handler === 'function' ? Kind.RAW : Kind.CONNECTION,
    })),
    input: makeScratch(native),
    output: makeScratch(native),
    gathering: undefined,
    dataAddress: native.adopt(memory.buffers.data),
    dataBuffer: Buffer.from(memory.buffers.data),
    report: (error, name) => {
      reports.push(error);
      reporters.push(name);
    },
  };
  return { context, reports, reporters };
}
