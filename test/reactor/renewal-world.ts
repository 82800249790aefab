/**
 * One slot, and the pool's epoll set that is replaced beneath it: a worker, a registrar, a poller, a peer that sends, somebody
 * who forces the end, and the app's thread that replaces the set. The real EpollSet and SlotTable; of the kernel one word,
 *
 *     { set : 2, former : 2, open : 1, unread : 2, { watched : 1, armed : 1, ready : 1 } for each of three sets }
 *
 * that each system call changes in one step, but for the look which set a number means: that is a step before it.
 *
 * What is left over when each has had its turns is carried on by one thread alone, until nothing moves.
 */
import { EpollSet, type SetKernel, type SetMemory } from '../../src/reactor/epoll-set.ts';
import { Epoll, EpollOp, Errno } from '../../src/native/index.ts';
import { Word } from '../../src/slots/layout.ts';
import { Outcome, SlotTable } from '../../src/slots/table.ts';
import {
  Flag,
  flagsOf,
  READY_ALL,
  READY_NONE,
  Ready,
  readyOf,
  State,
  stateOf,
} from '../../src/slots/word.ts';
import { again, type Body, type Program, type Self, type VirtualPort } from '../explorer/program.ts';
import { LAYOUT, SLOT } from '../slots/slot-words.ts';

const Me = { FIRST_WORKER: 2, APP: 33, REGISTRAR: 34 } as const;
const SET_NUMBER = 6;
const FORMER_NUMBER = 7;
const SETS = 3;
const MOST_UNREAD = 3;

const At = { KERNEL: 1, HINTS: 2, ODD: 3, STEP: 4, FORCED: 5 } as const;
/** Of a replacement. */
const Step = { NONE: 0, UNDER_WAY: 1 } as const;

export type Mistake =
  | 'the epoch comes first'
  | 'who registers looks once'
  | 'the former set ends too early'
  | 'a re-arm asks the new set only'
  | 'active slots are taken for moved'
  | 'the end asks the new set only';

export type RenewalCase = {
  readonly mode: 'edge' | 'oneshot';
  readonly workers: readonly number[];
  readonly polls: number;
  readonly sends: number;
  /** Looks that the app's thread has in all. */
  readonly looks: number;
  /** How often it replaces the set, 1 unless given. */
  readonly renewals?: number;
  /** Somebody forces the end. */
  readonly forced?: boolean;
  /** A thread registers the slot again after its end. */
  readonly registers?: boolean;
  /** The slot is free at first, and that thread registers it. */
  readonly vacant?: boolean;
  readonly mistake?: Mistake;
  readonly preemptions?: number;
};

type Item = { watched: number; armed: number; ready: number };
type Kernel = { set: number; former: number; open: number; unread: number; items: Item[] };

function unpack(word: number): Kernel {
  const bits = (at: number, count: number): number => (word >>> at) & ((1 << count) - 1);
  const items = Array.from({ length: SETS }, (_, i) => {
    const at = 7 + i * 3;
    return { watched: bits(at, 1), armed: bits(at + 1, 1), ready: bits(at + 2, 1) };
  });
  return { set: bits(0, 2), former: bits(2, 2), open: bits(4, 1), unread: bits(5, 2), items };
}

function pack({ set, former, open, unread, items }: Kernel): number {
  let word = set | (former << 2) | (open << 4) | (unread << 5);
  for (const [i, { watched, armed, ready }] of items.entries())
    word |= (watched | (armed << 1) | (ready << 2)) << (7 + i * 3);
  return word;
}

const nothing = (): Item => ({ watched: 0, armed: 0, ready: 0 });

const reports = (item: Item | undefined, unread: number): boolean =>
  item?.watched === 1 && item.armed === 1 && item.ready === 1 && unread > 0;

class World {
  readonly #port: VirtualPort;
  readonly #case: RenewalCase;
  readonly #check: Self['check'];
  readonly #table: SlotTable;
  readonly #set: EpollSet;

  constructor(port: VirtualPort, renewal: RenewalCase, check: Self['check']) {
    this.#port = port;
    this.#case = renewal;
    this.#check = check;
    this.#table = new SlotTable(port, LAYOUT);
    const records = {
      setEpoch: (_: number, epoch: number) => port.store(At.ODD, epoch & 1),
      isOfEpoch: (_: number, epoch: number) => port.load(At.ODD) === (epoch & 1),
    };
    const memory = { config: () => SET_NUMBER, layout: LAYOUT, port, records, slots: this.#table };
    const native: SetKernel = { epollControl: (number, op, _, bits) => this.#control(number, op, bits) };
    this.#set = new EpollSet(memory as unknown as SetMemory, native);
  }

  setUp(): void {
    this.#port.store(
      At.KERNEL,
      pack({ set: 1, former: 0, open: 1, unread: 0, items: [1, 2, 3].map(nothing) }),
    );
    if (this.#case.vacant !== true) this.register();
  }

  /** The number is a new file's, and the slot is taken for it. */
  register(): void {
    if (!this.#table.register(SLOT, Me.REGISTRAR)) return;
    this.#change((kernel) => {
      kernel.open = 1;
    });
    this.#check(this.#add() === 0, 'it could not be registered');
    const edge = this.#case.mode === 'edge';
    const outcome = this.#table.finish(SLOT, Me.REGISTRAR, READY_NONE, edge ? Ready.IN : READY_ALL, false);
    if (outcome === Outcome.PUSH) this.#push();
  }

  work(me: number): boolean {
    if (this.#port.update(At.HINTS, (hints) => Math.max(0, hints - 1)) === 0) return false;
    const claimed = this.#table.claim(SLOT, me);
    if (claimed === 0) return true;
    this.#moves();
    if ((flagsOf(claimed) & Flag.FORCED) !== 0) {
      this.#end(me);
      return true;
    }
    this.#change((kernel) => {
      kernel.unread = 0;
    });
    const edge = this.#case.mode === 'edge';
    if (edge) this.#moves();
    else this.#check(this.#rearm() >= 0, 'lost, though ours');
    const outcome = this.#table.finish(SLOT, me, READY_NONE, edge ? Ready.IN : READY_ALL, false);
    this.#check(outcome !== Outcome.REFUSED, 'only the owner finishes');
    if (outcome === Outcome.PUSH) this.#push();
    return true;
  }

  poll(): boolean {
    const set = this.#resolve(SET_NUMBER);
    const before = this.#change((kernel) => {
      const item = kernel.items[set - 1];
      if (item === undefined || !reports(item, kernel.unread)) return;
      item.ready = 0;
      if (this.#case.mode === 'oneshot') item.armed = 0;
    });
    const told = reports(before.items[set - 1], before.unread);
    if (told && this.#table.deliver(SLOT, this.#table.generation(SLOT), Ready.IN) === Outcome.PUSH)
      this.#push();
    return told;
  }

  arrive(): void {
    this.#change((kernel) => {
      if (kernel.open === 0) return;
      kernel.unread = Math.min(MOST_UNREAD, kernel.unread + 1);
      for (const item of kernel.items) item.ready = item.watched;
    });
  }

  force(): void {
    const outcome = this.#table.request(SLOT, 0, Flag.FORCED);
    if (outcome !== Outcome.REFUSED) this.#port.store(At.FORCED, 1);
    if (outcome === Outcome.PUSH) this.#push();
  }

  /** The app's thread begins a replacement, or looks over the slots. False if there is nothing to do. */
  renew(begins: boolean): boolean {
    if (this.#port.load(At.STEP) === Step.NONE) {
      if (begins) this.#begin();
      return begins;
    }
    const { mistake } = this.#case;
    let behind = this.#table.state(SLOT) !== State.FREE && this.#set.isBehind(SLOT);
    if (behind) {
      const active = this.#table.state(SLOT) === State.ACTIVE;
      if (mistake === 'active slots are taken for moved' && active) behind = false;
      else this.#advance();
    }
    if (behind && mistake !== 'the former set ends too early') return true;
    this.#change((kernel) => {
      kernel.items[kernel.former - 1] = nothing();
      kernel.former = kernel.set;
    });
    this.#port.store(At.STEP, Step.NONE);
    return true;
  }

  /** As Strands.advance: of an edge-triggered slot the app's thread has itself moved, a oneshot is asked for a turn. */
  #advance(): void {
    const generation = this.#table.generation(SLOT);
    if (this.#case.mode === 'oneshot') {
      if (this.#table.request(SLOT, generation, Flag.CONTROL) === Outcome.PUSH) this.#push();
      return;
    }
    const seized = this.#table.state(SLOT) === State.ARMED ? this.#table.seize(SLOT, generation, Me.APP) : 0;
    if (seized === 0) return;
    this.#moves();
    if (stateOf(seized) === State.QUEUED) this.#table.request(SLOT, generation, flagsOf(seized));
    if (this.#table.finish(SLOT, Me.APP, readyOf(seized), READY_ALL, false) === Outcome.PUSH) this.#push();
  }

  #moves(): void {
    if (!this.#set.isBehind(SLOT)) return;
    this.#check(this.#set.follow(SLOT, this.#bits(false)) >= 0, 'lost, though ours');
  }

  /** Carries on until nothing moves, and checks what must hold then. */
  checkEnd(): void {
    for (let steps = 0; ; steps++) {
      this.#check(steps < 100, 'it never rests');
      const told = this.poll();
      const worked = this.work(Me.FIRST_WORKER);
      const looked = this.renew(false);
      if (!told && !worked && !looked) break;
    }
    const kernel = this.#look();
    const state = this.#table.state(SLOT);
    const forced = this.#port.load(At.FORCED) === 1;
    // Whether it was registered again before or after its end is the schedule's.
    const maybeArmed = !forced || this.#case.registers === true;
    const rests = (forced && state === State.FREE) || (maybeArmed && state === State.ARMED);
    this.#check(rests, 'it is not at rest');
    if (state === State.FREE) {
      this.#check(kernel.open === 0 || this.#case.vacant === true, 'the file was left open');
      return;
    }
    this.#check(kernel.open === 1, 'the file was closed');
    this.#check(kernel.unread === 0, 'an event is lost (G2)');
    const item = kernel.items[kernel.set - 1];
    this.#check(item?.watched === 1 && item.armed === 1, 'nothing more is heard of it');
    this.#check(!this.#set.isBehind(SLOT), 'it is behind for ever');
  }

  #begin(): void {
    const port = this.#port;
    const early = this.#case.mistake === 'the epoch comes first';
    if (early) port.add(Word.EPOCH, 1);
    port.store(Word.FORMER_SET, FORMER_NUMBER);
    this.#change((kernel) => {
      kernel.former = kernel.set;
    });
    this.#change((kernel) => {
      kernel.set = (kernel.set % SETS) + 1;
    });
    if (!early) port.add(Word.EPOCH, 1);
    port.store(At.STEP, Step.UNDER_WAY);
  }

  #end(me: number): void {
    this.#check(this.#table.close(SLOT, me), 'only the owner closes');
    this.#table.endGeneration(SLOT);
    const ours =
      this.#case.mistake === 'the end asks the new set only'
        ? this.#control(SET_NUMBER, EpollOp.DEL, 0) === 0
        : this.#set.remove(SLOT);
    this.#check(ours, 'the end does not know its file');
    this.#change((kernel) => {
      kernel.open = 0;
      kernel.unread = 0;
      kernel.items = kernel.items.map(nothing);
    });
    this.#table.free(SLOT, me);
  }

  #add(): number {
    if (this.#case.mistake !== 'who registers looks once') return this.#set.add(SLOT, this.#bits(true));
    this.#port.store(At.ODD, this.#port.load(Word.EPOCH) & 1);
    return this.#control(SET_NUMBER, EpollOp.ADD, this.#bits(true));
  }

  #rearm(): number {
    const bits = this.#bits(true);
    return this.#case.mistake === 'a re-arm asks the new set only'
      ? this.#control(SET_NUMBER, EpollOp.MOD, bits)
      : this.#set.modify(SLOT, bits);
  }

  /** What the owner asks for when it registers, or moves without being heard yet. */
  #bits(wanted: boolean): number {
    if (this.#case.mode === 'edge') return Epoll.IN | Epoll.EDGE;
    return wanted ? Epoll.IN | Epoll.ONESHOT : Epoll.ONESHOT;
  }

  #control(number: number, op: EpollOp, bits: number): number {
    const set = this.#resolve(number);
    const before = this.#change((kernel) => {
      const item = kernel.items[set - 1];
      if (item === undefined || kernel.open === 0) return;
      if ((op === EpollOp.ADD) === (item.watched === 1)) return;
      const on = op === EpollOp.DEL ? 0 : 1;
      item.watched = on;
      item.armed = on && (bits & Epoll.IN) !== 0 ? 1 : 0;
      item.ready = on && kernel.unread > 0 ? 1 : 0;
    });
    if (before.open === 0) return Errno.EBADF;
    const watched = before.items[set - 1]?.watched === 1;
    if (op === EpollOp.ADD) return watched ? Errno.EEXIST : 0;
    return watched ? 0 : Errno.ENOENT;
  }

  /** Which set a number means: a step of its own. */
  #resolve(number: number): number {
    const { set, former } = this.#look();
    return number === SET_NUMBER ? set : former;
  }

  #look(): Kernel {
    return unpack(this.#port.load(At.KERNEL));
  }

  #change(change: (kernel: Kernel) => void): Kernel {
    return unpack(
      this.#port.update(At.KERNEL, (word) => {
        const kernel = unpack(word);
        change(kernel);
        return pack(kernel);
      }),
    );
  }

  #push(): void {
    this.#port.add(At.HINTS, 1);
  }
}

export function renewalProgram(renewal: RenewalCase): Program {
  const { workers, polls, sends, looks, renewals = 1, preemptions } = renewal;
  const body =
    (rounds: number, act: (world: World, round: number) => unknown): Body =>
    (port, self) => {
      act(new World(port, renewal, self.check), self.round);
      return self.round + 1 < rounds ? again(self.round + 1) : undefined;
    };
  const threads = workers.map((rounds, id) => ({
    name: `worker ${id}`,
    body: body(rounds, (world) => world.work(Me.FIRST_WORKER + id)),
  }));
  const add = (name: string, rounds: number, act: (world: World, round: number) => unknown): void => {
    if (rounds > 0) threads.push({ name, body: body(rounds, act) });
  };
  add('poller', polls, (world) => world.poll());
  add('peer', sends, (world) => world.arrive());
  add('app', looks, (world, round) => world.renew(round < renewals * 2));
  add('forcer', renewal.forced === true ? 1 : 0, (world) => world.force());
  add('registrar', renewal.registers === true || renewal.vacant === true ? 1 : 0, (world) =>
    world.register(),
  );
  const names = new Map<number, string>([
    ...Object.entries(At).map(([name, at]): [number, string] => [at, name.toLowerCase()]),
    [Word.EPOCH, 'epoch'],
    [Word.FORMER_SET, 'former'],
  ]);
  const require = (condition: boolean, message: string): void => {
    if (!condition) throw new Error(message);
  };
  return {
    threads,
    ...(preemptions === undefined ? {} : { preemptions }),
    setup: (port) => new World(port, renewal, require).setUp(),
    nameOf: (at) => names.get(at) ?? `word ${at}`,
    end: (view) => new World(view.port, renewal, require).checkEnd(),
  };
}
