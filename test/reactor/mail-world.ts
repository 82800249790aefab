/**
 * A pool without handlers whose slots live in workers: senders, workers that take mail and hints of all, park and wait in a
 * kernel of one word, a monitor that looks at mail, a worker that vanishes, one that retires. Dispatcher, mail, mailboxes,
 * homes, presence and the monitor's decision are the real code; a slot is a word that says how often it waits.
 */
import { expect } from 'vitest';
import { Dispatcher, MonitorState, type PoolDispatcher } from '../../src/reactor/dispatcher.ts';
import { Monitor } from '../../src/reactor/monitor.ts';
import { Presence, type Standing } from '../../src/reactor/presence.ts';
import { enqueueHint } from '../../src/reactor/queueing.ts';
import { askToRetire } from '../../src/reactor/retire.ts';
import { Homes } from '../../src/slots/homes.ts';
import { Config, Owner, SlotWord, WorkerWord, Word } from '../../src/slots/layout.ts';
import { homeTrait, isWorker, NO_HOME } from '../../src/slots/record.ts';
import { popcount } from '../../src/sync/bitset.ts';
import { ParkState } from '../../src/sync/parking.ts';
import {
  again,
  type Again,
  type Body,
  type Program,
  type View,
  type VirtualPort,
  type VirtualThread,
} from '../explorer/program.ts';
import {
  ALARM,
  EVENT_FDS,
  FOREVER,
  KERNEL,
  layout,
  awaitTick,
  memoryOf,
  nameOf,
  nativeOf,
  type PoolCase,
  repeat,
  waitForAlarm,
  WAKE,
} from './presence-world.ts';

/** Words of the test's own, behind those of the other world. */
const HANDLED = layout.length + 32;
const LEFT = layout.length + 33;
/** How often slot s waits. Slot 0 lives anywhere, slot 1 + w in worker w; the last one is registered on the way. */
const waits = (slot: number): number => layout.length + 40 + slot;
const LATE = 3;
const SLOTS = 4;

export type MailCase = {
  readonly workers: number;
  readonly concurrency?: number;
  /** Homes to which a thread outside sends, one after the other. */
  readonly sends?: readonly number[];
  /** As sends, by a second thread. */
  readonly others?: readonly number[];
  /** Hints of all that are there before anybody runs. */
  readonly filled?: number;
  /** A worker of which a monitor that is late says that it waits for a place. */
  readonly waiting?: number;
  /** A thread that registers a slot, and sends to it. */
  readonly registers?: boolean;
  /** Worker that is asked to retire. */
  readonly retires?: number;
  /** A plain read of a home may show an old one. */
  readonly stale?: boolean;
  /** Worker 0 may vanish. */
  readonly mortal?: boolean;
  readonly monitored?: boolean;
  readonly ticks?: number;
  readonly preemptions?: number;
  /** Seeded bugs. */
  readonly make?: (port: VirtualPort, me: number, pool: MailCase) => Dispatcher;
  readonly presence?: (dispatcher: Dispatcher, worker: number, standing: Standing) => Presence;
};

export const realMail = (port: VirtualPort, me: number, pool: MailCase): Dispatcher =>
  new Dispatcher(memoryOf(port, me, poolCaseOf(pool)), nativeOf(port));

const poolCaseOf = ({ workers, monitored = false }: MailCase): PoolCase => ({ workers, monitored });

const dispatcherOf = (port: VirtualPort, me: number, pool: MailCase): Dispatcher =>
  (pool.make ?? realMail)(port, me, pool);

/** What a sender does after it has made a slot wait. */
function enqueueSlot(port: VirtualPort, dispatcher: Dispatcher, slot: number): void {
  const memory = { ...dispatcher.memory, homes: new Homes(port, layout) };
  const seen = Object.create(dispatcher, { memory: { value: memory } }) as PoolDispatcher;
  if (enqueueHint(seen, slot)) dispatcher.pushed();
}

function send(port: VirtualPort, dispatcher: Dispatcher, slot: number): void {
  if (port.add(waits(slot), 1) === 0) enqueueSlot(port, dispatcher, slot);
}

export function mailProgram(pool: MailCase): Program {
  const { workers, concurrency = workers, mortal = false, monitored = false, sends = [], others = [] } = pool;
  const threads: VirtualThread[] = Array.from({ length: workers }, (_, id) => ({
    name: `worker ${id}`,
    body: workerBody(id, pool),
    mortal: mortal && id === 0,
  }));
  for (const [name, homes] of [
    ['sender', sends],
    ['other sender', others],
  ] as const)
    if (homes.length > 0)
      threads.push({
        name,
        body: repeat(homes.length, (port, round) =>
          send(port, dispatcherOf(port, Owner.MAIN, pool), 1 + (homes[round] ?? 0)),
        ),
      });
  if (pool.registers === true)
    threads.push({
      name: 'registrar',
      body: (port) => {
        new Homes(port, layout).settle(LATE);
        send(port, dispatcherOf(port, Owner.MAIN, pool), LATE);
        return undefined;
      },
    });
  const { retires } = pool;
  if (retires !== undefined)
    threads.push({
      name: 'retirer',
      body: repeat(1, (port) => askToRetire(dispatcherOf(port, Owner.MAIN, pool), retires)),
    });
  const { waiting } = pool;
  if (waiting !== undefined)
    threads.push({
      name: 'late monitor',
      body: repeat(1, (port) => dispatcherOf(port, Owner.SUPERVISOR, pool).mail.wait(waiting)),
    });
  if (monitored) threads.push({ name: 'monitor', body: monitorBody(pool) });
  if (mortal) threads.push({ name: 'reaper', body: reaperBody(pool), reaps: 'worker 0' });
  return {
    threads,
    ...(pool.preemptions === undefined ? {} : { preemptions: pool.preemptions }),
    vanishings: mortal ? 1 : 0,
    timeouts: monitored ? (pool.ticks ?? 2) : 0,
    mayEndAsleep: threads.map(({ name }) => name).filter((name) => /worker|monitor/.test(name)),
    setup: (port) => {
      port.store(Config.CONCURRENCY, concurrency);
      port.store(Config.MAX_THREADS, workers);
      port.store(Word.MONITOR, MonitorState.ASLEEP);
      const dispatcher = realMail(port, Owner.MAIN, pool);
      dispatcher.memory.ring.initialize();
      dispatcher.begin();
      for (let id = 0; id < workers; id++) {
        port.store(layout.worker(id) + WorkerWord.EVENT_FD, EVENT_FDS + id);
        dispatcher.mail.boxes.open(id);
        if ([...sends, ...others].includes(id)) {
          port.store(layout.slot(1 + id) + SlotWord.CONFIG, homeTrait(id));
          port.store(layout.worker(id) + WorkerWord.STRANDS, 1);
        }
      }
      for (let i = 0; i < (pool.filled ?? 0); i++) send(port, dispatcher, 0);
    },
    ...(pool.stale === true ? { stale: (at) => at === layout.slot(1) + SlotWord.CONFIG } : {}),
    silent: (at) => at === HANDLED || at === LEFT,
    nameOf: (at) => (at > LEFT ? `slot ${at - waits(0)}` : nameOf(at)),
    end: (view) => checkEnd(view, pool),
  };
}

function workerBody(id: number, pool: MailCase): Body {
  return (port, self) => {
    const standing = {
      runnable: (self.round & 1) !== 0,
      searching: (self.round & 2) !== 0,
      reading: (self.round & 4) !== 0,
      reviewed: self.round >> 3,
    };
    const dispatcher = dispatcherOf(port, Owner.FIRST_WORKER + id, pool);
    const presence = pool.presence?.(dispatcher, id, standing) ?? new Presence(dispatcher, id, standing);
    const next = (): Again => {
      const { runnable, searching, reading, reviewed } = presence.standing;
      return again(Number(runnable) | (Number(searching) << 1) | (Number(reading) << 2) | (reviewed << 3));
    };
    if (port.peek(layout.worker(id) + WorkerWord.ATTENTION) !== 0) presence.heed();
    const hint = presence.becomeRunnable() ? presence.take() : 0;
    if (hint === 0) {
      presence.stopSearching();
      if (!presence.announcePark(ParkState.SLEEPS_FUTEX)) dispatcher.lot.sleep(id);
      presence.endPark();
      if (pool.retires === id && presence.retires()) {
        port.store(LEFT, 1);
        return undefined;
      }
      return next();
    }
    presence.found();
    if (dispatcher.isPollHint(hint)) poll(port, dispatcher, presence, hint);
    else {
      const slot = hint - 1;
      const home = new Homes(port, layout).of(slot);
      const bits = port.load(Word.RUNNABLE);
      self.check(popcount(bits) <= (pool.concurrency ?? pool.workers), 'more run than may (G7)');
      self.check((bits & (1 << id)) !== 0, 'it takes a hint without a bit');
      // A hint that was pushed twice, once to a mailbox that was closed for a moment, is given back: here it is dropped, the
      // one in the mailbox must do.
      const elsewhere = home !== NO_HOME && isWorker(home) && home !== id;
      const mayBeTwice = pool.mortal === true || pool.retires !== undefined;
      if (!elsewhere) port.add(HANDLED, port.exchange(waits(slot), 0));
      else self.check(port.load(waits(slot)) === 0 || mayBeTwice, 'a slot runs where it does not live');
    }
    return next();
  };
}

function poll(port: VirtualPort, dispatcher: Dispatcher, presence: Presence, hint: number): void {
  if (!dispatcher.claimPoll(hint)) return;
  if (!presence.hasWork()) {
    if (!presence.announceWait()) port.wait(KERNEL, 0, FOREVER);
    presence.endWait();
    presence.becomeRunnable();
  }
  port.update(KERNEL, () => 0);
  dispatcher.releasePoll();
}

/** Two ticks: what waits at both has waited through one. */
function monitorBody(pool: MailCase): Body {
  return (port) => {
    const dispatcher = dispatcherOf(port, Owner.SUPERVISOR, pool);
    const wait = (): void => waitForAlarm(port);
    const monitor = new Monitor(dispatcher, wait, () => undefined);
    const tick = (): void => {
      awaitTick(port, dispatcher);
      monitor.mindMail();
    };
    tick();
    tick();
    monitor.rest();
    return again();
  };
}

/** The parts of the reaper that concern waking and mail. */
function reaperBody(pool: MailCase): Body {
  return (port) => {
    const dispatcher = dispatcherOf(port, Owner.SUPERVISOR, pool);
    const { boxes } = dispatcher.mail;
    const homes = new Homes(port, layout);
    boxes.close(0);
    for (let slot = 0; slot < SLOTS; slot++) {
      if (homes.of(slot) === 0) homes.evict(slot);
      if (port.load(waits(slot)) > 0) enqueueSlot(port, dispatcher, slot);
    }
    if (dispatcher.pollHolder === Owner.FIRST_WORKER) dispatcher.releasePoll();
    else if (dispatcher.pollHolder === 0) dispatcher.replacePoll();
    else dispatcher.wakePoller();
    dispatcher.lot.reap(0, ((1 << pool.workers) - 1) & ~1);
    dispatcher.runnable.leave(0);
    dispatcher.limit.askForReview();
    dispatcher.stopSearching();
    dispatcher.mail.stopWaiting(0);
    dispatcher.wakeIfWork();
    for (let worker = 1; worker < pool.workers; worker++) {
      if (boxes.isEmpty(worker)) continue;
      boxes.call(worker);
      dispatcher.mail.rouse(worker);
    }
    dispatcher.restartMonitor();
    return undefined;
  };
}

function checkEnd(view: View, pool: MailCase): void {
  const { port } = view;
  const dispatcher = realMail(port, Owner.MAIN, pool);
  const left = Array.from({ length: SLOTS }, (_, slot) => view.word(waits(slot)));
  const forgotten = left.some((count) => count > 0);
  if (forgotten && pool.monitored === true) {
    // The bound on ticks ended the schedule: in truth the next one comes, if the alarm is set.
    expect(view.word(ALARM), 'mail waits, everybody sleeps, and so does the monitor').toBe(1);
    return;
  }
  expect(left, 'slots that wait, and nobody comes').toEqual(left.map(() => 0));
  expect(dispatcher.hasWork(), 'hints wait and everybody sleeps').toBe(false);
  if (view.word(LEFT) !== 0)
    expect(new Homes(port, layout).countOf(pool.retires ?? 0), 'a home has retired').toBe(0);
  if (pool.mortal === true) return;
  const { filled = 0, sends = [], others = [], registers = false, monitored = false } = pool;
  expect(view.word(HANDLED)).toBe(filled + sends.length + others.length + Number(registers));
  expect(view.word(Word.RUNNABLE), 'who sleeps is not runnable').toBe(0);
  // What the monitor has put there late stays, and does no harm (N2).
  if (!monitored && pool.waiting === undefined)
    expect(view.word(Word.WAITERS), 'nobody waits for a place').toBe(0);
  expect(view.word(KERNEL) % WAKE).toBe(0);
}
