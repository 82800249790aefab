/**
 * A pool without handlers: workers that take hints, park and ask a kernel of one word; threads outside that push; events
 * that come from the kernel; a monitor. The dispatcher, the presence of each worker and the monitor's two decisions are
 * the real code; the loop around them is the reactor's, less event loop and slots.
 */
import { expect } from 'vitest';
import {
  Dispatcher,
  type DispatcherKernel,
  type DispatcherMemory,
  MonitorState,
  TICK_MS,
} from '../../src/reactor/dispatcher.ts';
import type { LoneDispatcher, LoneStanding } from '../../src/reactor/lone-dispatcher.ts';
import { Monitor } from '../../src/reactor/monitor.ts';
import { Presence, type Standing } from '../../src/reactor/presence.ts';
import { askToRetire } from '../../src/reactor/retire.ts';
import { packPolicy } from '../../src/reactor/wake-policy.ts';
import { Config, Layout, Owner, WorkerWord, Word } from '../../src/slots/layout.ts';
import { popcount } from '../../src/sync/bitset.ts';
import { ParkState } from '../../src/sync/parking.ts';
import { Ring } from '../../src/sync/ring.ts';
import {
  again,
  type Again,
  type Body,
  type Program,
  type View,
  type VirtualPort,
  type VirtualThread,
} from '../explorer/program.ts';

export const FOREVER = Number.POSITIVE_INFINITY;
export const layout = new Layout(4, 8);
/** Words of the test's own, behind the pool's. */
export const KERNEL = layout.length;
const HANDLED = layout.length + 1;
const STARTED = layout.length + 2;
const GATE = layout.length + 3;
/** Set when the limit has been set for the last time, or a worker has come back: from then on it holds for whoever looks. */
const CHANGED = layout.length + 4;
const ACCUSED = layout.length + 5;
/** Bitmap of the workers that look whether they may run: one that finds that it may not has had its bit for a moment. */
const LOOKING = layout.length + 6;
export const EVENT_FDS = layout.length + 7;
const REQUEUED = EVENT_FDS + 4;
/** Whether the monitor's alarm is set. */
export const ALARM = REQUEUED + 1;
/** The kernel's word: events that are ready, and whether the wake-up descriptor was written. */
export const WAKE = 256;
const WAKE_FD = 1000;

export type PoolCase = {
  readonly workers: number;
  readonly concurrency?: number;
  /** Hints pushed by a thread outside, one after the other. */
  readonly pushes?: number;
  /** Hints that are there before anybody runs. */
  readonly filled?: number;
  /** Events that come from the kernel, one after the other. */
  readonly events?: number;
  /** Turns that lead to another one of the same slot. */
  readonly requeues?: number;
  /** The put-off: hints that may wait before another worker is woken at once. */
  readonly wakeAtHints?: number;
  readonly monitored?: boolean;
  readonly mortal?: boolean;
  readonly preemptions?: number;
  readonly ticks?: number;
  /** The first handler to start ends only when a second one has run. */
  readonly dependent?: boolean;
  /** Each handler says that it blocks. */
  readonly blocks?: boolean;
  /** The monitor takes all that are runnable for asleep, rightly or not: whenever it asks, or once. */
  readonly accuses?: 'always' | 'once';
  /** Workers look for work a while before each rest. */
  readonly lingers?: boolean;
  /** Workers that are asked to retire, one after the other. */
  readonly retires?: readonly number[];
  /** Limits that the app sets, one after the other. */
  readonly limits?: readonly number[];
  /** The only worker keeps what it pushes to itself. Whether it does that right, or has a bug. */
  readonly lone?: typeof LoneDispatcher<DispatcherMemory, DispatcherKernel>;
  /** Seeded bugs. */
  readonly make?: (port: VirtualPort, me: number, pool: PoolCase) => Dispatcher;
  readonly presence?: (dispatcher: Dispatcher, worker: number, standing: Standing) => Presence;
};

export function memoryOf(port: VirtualPort, me: number, pool: PoolCase): DispatcherMemory {
  const config: Readonly<Record<number, number>> = {
    [Config.WAKE_POLICY]: packPolicy(pool.wakeAtHints ?? 0),
    [Config.MONITORED]: Number(pool.monitored ?? false),
    [Config.MAX_THREADS]: pool.workers,
    [Config.WAKE_FD]: WAKE_FD,
  };
  const place = {
    head: Word.RING_HEAD,
    tail: Word.RING_TAIL,
    cells: layout.ring,
    capacity: layout.ringCapacity,
  };
  return {
    port,
    me,
    layout,
    ring: new Ring(port, place),
    config: (at) => config[at] ?? 0,
    count: () => undefined,
    countHighest: () => undefined,
    wakeCostMs: 0,
  };
}

export function nativeOf(port: VirtualPort): DispatcherKernel {
  return {
    setTimer: () => {
      port.update(ALARM, () => 1);
      return 0;
    },
    signal: (fd) => {
      if (fd === WAKE_FD) port.update(KERNEL, (word) => word | WAKE);
      else port.update(fd, () => 1);
      return 0;
    },
  };
}

/** How a thread makes its dispatcher, of a class that may have a bug. */
export const making =
  (Kind: typeof Dispatcher<DispatcherMemory, DispatcherKernel> = Dispatcher): NonNullable<PoolCase['make']> =>
  (port, me, pool) =>
    new Kind(memoryOf(port, me, pool), nativeOf(port));

const realDispatcher = making();

const realPresence = (dispatcher: Dispatcher, worker: number, standing: Standing): Presence =>
  new Presence(dispatcher, worker, standing);

export function poolProgram(pool: PoolCase): Program {
  const { workers, concurrency = workers, pushes = 0, events = 0, monitored = false, mortal = false } = pool;
  const make = pool.make ?? realDispatcher;
  const threads: VirtualThread[] = Array.from({ length: workers }, (_, id) => ({
    name: `worker ${id}`,
    body: workerBody(id, pool),
    mortal: mortal && id === 0,
  }));
  if (pushes > 0)
    threads.push({
      name: 'pusher',
      body: repeat(pushes, (port) => {
        const dispatcher = make(port, Owner.MAIN, pool);
        dispatcher.push(1);
        dispatcher.pushed();
      }),
    });
  if (events > 0)
    threads.push({
      name: 'kernel',
      body: repeat(events, (port) => void port.update(KERNEL, (word) => word + 1)),
    });
  const { limits = [], retires = [] } = pool;
  if (retires.length > 0)
    threads.push({
      name: 'retirer',
      body: repeat(retires.length, (port, round) =>
        askToRetire(make(port, Owner.MAIN, pool), retires[round] ?? 0),
      ),
    });
  if (limits.length > 0)
    threads.push({
      name: 'app',
      body: (port, self) => {
        make(port, Owner.MAIN, pool).setConcurrency(limits[self.round] ?? workers);
        if (self.round + 1 < limits.length) return again(self.round + 1);
        port.store(CHANGED, 1);
        return undefined;
      },
    });
  if (monitored) threads.push({ name: 'monitor', body: monitorBody(pool) });
  if (mortal) threads.push({ name: 'reaper', body: reaperBody(pool), reaps: 'worker 0' });
  return {
    threads,
    ...(pool.preemptions === undefined ? {} : { preemptions: pool.preemptions }),
    vanishings: mortal ? 1 : 0,
    timeouts: monitored ? (pool.ticks ?? 2) : 0,
    mayEndAsleep: [...threads.keys()]
      .map((i) => threads[i]?.name ?? '')
      .filter((name) => /worker|monitor/.test(name)),
    setup: (port) => {
      port.store(Config.CONCURRENCY, concurrency);
      port.store(Word.MONITOR, MonitorState.ASLEEP);
      for (let id = 0; id < workers; id++)
        port.store(layout.worker(id) + WorkerWord.EVENT_FD, EVENT_FDS + id);
      const dispatcher = make(port, Owner.MAIN, pool);
      dispatcher.memory.ring.initialize();
      dispatcher.begin();
      for (let i = 0; i < (pool.filled ?? 0); i++) dispatcher.push(1);
    },
    silent: (at) => at === HANDLED || at === CHANGED || at === LOOKING,
    nameOf,
    end: (view) => checkEnd(view, pool),
  };
}

export const repeat =
  (times: number, act: (port: VirtualPort, round: number) => void): Body =>
  (port, self) => {
    act(port, self.round);
    return self.round + 1 < times ? again(self.round + 1) : undefined;
  };

const REVIEWED_MASK = 0xff;
/** The only poll hint there is while nobody dies; slots have lower ones. */
const POLL_HINT = layout.pollIndex + 1;
/** Behind the reviews: { keeps : 1, due : 3, had its turn : 1, up to four hints : 8, each 1 for the poll hint or 1 + a slot's }. */
const LONE_SHIFT = 10;

function packLone({ keeps, hints, due, hadTurn }: LoneStanding): number {
  const codes = hints.map((hint) => (hint === POLL_HINT ? 1 : hint + 1));
  expect(codes.length, 'more hints than the world has room for').toBeLessThanOrEqual(4);
  expect(Math.max(0, ...codes), 'hints of more slots than the world has room for').toBeLessThanOrEqual(3);
  const packed = codes.reduce((bits, code, i) => bits | (code << (2 * i)), 0);
  return (packed | (Number(hadTurn) << 8) | (due << 9) | (Number(keeps) << 12)) << LONE_SHIFT;
}

function unpackLone(round: number): LoneStanding {
  const bits = round >> LONE_SHIFT;
  const codes = [0, 2, 4, 6].map((shift) => (bits >> shift) & 3).filter((code) => code !== 0);
  return {
    hints: codes.map((code) => (code === 1 ? POLL_HINT : code - 1)),
    due: (bits >> 9) & 7,
    hadTurn: ((bits >> 8) & 1) !== 0,
    keeps: ((bits >> 12) & 1) !== 0,
  };
}

function workerBody(id: number, pool: PoolCase): Body {
  return (port, self) => {
    const standing = {
      runnable: (self.round & 1) !== 0,
      searching: (self.round & 2) !== 0,
      reviewed: (self.round >> 2) & REVIEWED_MASK,
    };
    const me = Owner.FIRST_WORKER + id;
    const lone =
      pool.lone === undefined
        ? undefined
        : new pool.lone(memoryOf(port, me, pool), nativeOf(port), unpackLone(self.round));
    const dispatcher = lone ?? (pool.make ?? realDispatcher)(port, me, pool);
    const presence = (pool.presence ?? realPresence)(dispatcher, id, standing);
    const next = (): Again => {
      const { runnable, searching, reviewed } = presence.standing;
      const own = lone === undefined ? 0 : packLone(lone.standing);
      return again(Number(runnable) | (Number(searching) << 1) | (reviewed << 2) | own);
    };
    const changed = port.load(CHANGED) !== 0;
    port.update(LOOKING, (word) => word | (1 << id));
    const runs = presence.becomeRunnable();
    port.update(LOOKING, (word) => word & ~(1 << id));
    const hint = runs ? dispatcher.take() : 0;
    if (hint === 0) {
      presence.stopSearching();
      if (lingers(pool, presence)) return next();
      if (!presence.announcePark(ParkState.SLEEPS_FUTEX)) dispatcher.lot.sleep(id);
      presence.endPark();
      return pool.retires !== undefined && presence.retires() ? undefined : next();
    }
    presence.found();
    if (dispatcher.isPollHint(hint)) poll(port, pool, dispatcher, presence, hint);
    else {
      if (changed) {
        const bits = port.load(Word.RUNNABLE);
        self.check(popcount(bits & ~port.load(LOOKING)) <= lastLimit(pool), 'more run than may (G7)');
        if (pool.accuses !== 'always') self.check((bits & (1 << id)) !== 0, 'it takes a hint without a bit');
      }
      handle(port, pool, presence);
      if (pool.requeues !== undefined && port.add(REQUEUED, 1) < pool.requeues) dispatcher.push(hint);
    }
    return next();
  };
}

const lastLimit = ({ limits, concurrency, workers }: PoolCase): number =>
  limits?.at(-1) ?? concurrency ?? workers;

function handle(port: VirtualPort, pool: PoolCase, presence: Presence): void {
  if (pool.blocks === true) presence.goAway();
  if (pool.dependent === true) {
    if (port.add(STARTED, 1) === 0) port.wait(GATE, 0, FOREVER);
    else port.update(GATE, () => 1);
  }
  if (pool.blocks === true) {
    presence.comeBack();
    port.store(CHANGED, 1);
  }
  port.add(HANDLED, 1);
}

/** As linger.ts does, who looks more than once. */
function lingers(pool: PoolCase, presence: Presence): boolean {
  if (pool.lingers !== true || !presence.search()) return false;
  if (presence.finds()) return true;
  presence.stopSearching();
  return false;
}

function poll(
  port: VirtualPort,
  pool: PoolCase,
  dispatcher: Dispatcher,
  presence: Presence,
  hint: number,
): void {
  if (!dispatcher.claimPoll(hint)) return;
  if (!dispatcher.hasWork() && !lingers(pool, presence)) {
    if (!presence.announceWait()) port.wait(KERNEL, 0, FOREVER);
    presence.endWait();
    presence.becomeRunnable();
  }
  const seen = port.update(KERNEL, () => 0) % WAKE;
  for (let i = 0; i < seen; i++) dispatcher.push(1 + i);
  dispatcher.releasePoll();
  if (seen > 0) presence.share(0);
}

/** Waits for the alarm, until it is set and until it goes off, which the bound on ticks may keep it from. */
export function waitForAlarm(port: VirtualPort): void {
  if (port.load(ALARM) === 0) port.wait(ALARM, 0, FOREVER);
  port.wait(ALARM, 1, 1);
  port.update(ALARM, () => 0);
}

/** As the monitor does after a tick, if it is awake. */
export function awaitTick(port: VirtualPort, dispatcher: Dispatcher): void {
  if (port.load(Word.MONITOR) !== MonitorState.AWAKE) return;
  dispatcher.setAlarm(TICK_MS);
  waitForAlarm(port);
}

/** Each tick that the bound allows is one that finds that a hint has waited, or that nothing has happened. */
function monitorBody(pool: PoolCase): Body {
  return (port) => {
    const dispatcher = (pool.make ?? realDispatcher)(port, Owner.SUPERVISOR, pool);
    let accused = false;
    const sleepers = (bits: number): number => {
      accused = pool.accuses === 'always' || (pool.accuses === 'once' && port.exchange(ACCUSED, 1) === 0);
      return accused ? bits : 0;
    };
    const wait = (): void => waitForAlarm(port);
    const monitor = new Monitor(dispatcher, wait, () => undefined, { tick: () => undefined, sleepers });
    awaitTick(port, dispatcher);
    if (dispatcher.hasWork()) monitor.wakeOne();
    else monitor.rest();
    if (accused) port.store(CHANGED, 1);
    return again();
  };
}

/** The parts of the reaper that concern waking: events that the dead poller had taken are in its batch, not here. */
function reaperBody(pool: PoolCase): Body {
  return (port) => {
    const dispatcher = (pool.make ?? realDispatcher)(port, Owner.SUPERVISOR, pool);
    if (dispatcher.pollHolder === Owner.FIRST_WORKER) dispatcher.releasePoll();
    else if (dispatcher.pollHolder === 0) dispatcher.replacePoll();
    else dispatcher.wakePoller();
    port.update(LOOKING, (word) => word & ~1);
    dispatcher.lot.reap(0, ((1 << pool.workers) - 1) & ~1);
    dispatcher.runnable.leave(0);
    dispatcher.limit.askForReview();
    dispatcher.stopSearching();
    dispatcher.wakeForWork();
    dispatcher.restartMonitor();
    return undefined;
  };
}

function checkEnd(view: View, pool: PoolCase): void {
  const dispatcher = realDispatcher(view.port, Owner.MAIN, pool);
  const waits = dispatcher.hasWork();
  const ticks = view.word(ALARM) !== 0;
  const ready = view.word(KERNEL) % WAKE;
  if (pool.monitored !== true) {
    expect(waits, 'hints wait and everybody sleeps').toBe(false);
  } else if (waits) {
    // The bound on ticks ended the schedule: in truth the next tick wakes somebody, if the alarm is set.
    expect(ticks, 'hints wait, everybody sleeps, and so does the monitor').toBe(true);
    const unattended =
      dispatcher.runnable.bits === 0 && dispatcher.pollerWaits && view.word(Word.SEARCHER) === 0;
    expect(unattended, 'a wake-up was lost that no policy had put off').toBe(false);
    if (pool.accuses === 'always') expect(nextTickWakes(view, pool), 'the next tick wakes nobody').toBe(true);
  }
  if (pool.mortal === true || waits) return;
  expect(view.word(HANDLED) + ready, 'a hint was lost').toBe(
    (pool.pushes ?? 0) + (pool.events ?? 0) + (pool.filled ?? 0) + (pool.requeues ?? 0),
  );
  expect(ready, 'the kernel has events and nobody asks it').toBe(0);
  expect(view.word(Word.SEARCHER), 'nobody searches any more').toBe(0);
  expect(view.word(Word.RUNNABLE), 'who sleeps is not runnable').toBe(0);
}

function nextTickWakes({ port }: View, pool: PoolCase): boolean {
  const dispatcher = realDispatcher(port, Owner.SUPERVISOR, pool);
  const sleep = (): string => `${dispatcher.lot.parkedBits} ${dispatcher.pollerWaits}`;
  const before = sleep();
  const sleepers = (bits: number): number => bits;
  new Monitor(
    dispatcher,
    () => {},
    () => {},
    { tick: () => undefined, sleepers },
  ).wakeOne();
  return sleep() !== before;
}

export function nameOf(at: number): string {
  if (at === KERNEL) return 'kernel';
  if (at === HANDLED) return 'handled';
  const word = Object.entries(Word).find(([, place]) => place === at);
  if (word !== undefined) return word[0].toLowerCase();
  if (at >= layout.ring && at < layout.ring + layout.ringCapacity) return `cell ${at - layout.ring}`;
  for (let id = 0; id < 4; id++) if (at === layout.worker(id)) return `park ${id}`;
  return `word ${at}`;
}
