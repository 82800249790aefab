/**
 * Scenario 90: random sequences of calls against a reference model. The seed is printed; WAKEONE_SEED=… runs that one again.
 *
 * The model says of each descriptor what must have happened once all is quiet: which bytes were read by which
 * registration, and how it ended. The second test does not wait for quiet: calls race deliveries and each other, and
 * only what must be true in any case is checked, and at the end that nothing was lost.
 */
import { describe, expect, it } from 'vitest';
import type { Registration } from 'wakeone';
import { pipe, unread, write } from '../support/libc.ts';
import { Field, type Probe } from './support/probe.ts';
import { Random } from './support/random.ts';
import { inWorld, LONG_MS, MODES, times, type World } from './support/world.ts';

const PIPES = 6;
const STEPS = times(3000, 100_000);
/** One in so many registrations takes its worker with it. */
const CRASH_ODDS = 60;
const stale: unknown = expect.objectContaining({ code: 'ERR_WAKEONE_STALE_REGISTRATION' });
const inUse: unknown = expect.objectContaining({ code: 'ERR_WAKEONE_FD_IN_USE' });

/** One number, its file, and what the model knows of it. */
type Model = {
  reader: number;
  writer: number;
  file: string;
  /** Bytes in the pipe that nobody has read. */
  unread: number;
  registration: Registration | undefined;
  probe: Probe | undefined;
  /** Bytes that this registration has read. */
  read: number;
  manual: boolean;
  /** Manual registrations: whether the next event is delivered. */
  armed: boolean;
  disabled: boolean;
  wantsInput: boolean;
  owned: boolean;
  handler: string;
};

const IDLE = {
  registration: undefined,
  probe: undefined,
  read: 0,
  manual: false,
  armed: true,
  disabled: false,
  wantsInput: true,
  owned: false,
  handler: 'drain',
} as const;

class Machine {
  readonly world: World;
  readonly random: Random;
  readonly models: Model[];
  readonly #handlers: readonly string[];
  readonly #crashes: boolean;
  /** Registrations that are over: every call on them must be refused. */
  readonly over: Registration[] = [];
  #adds = 0;

  constructor(world: World, random: Random, handlers: readonly string[], crashes: boolean) {
    this.#crashes = crashes;
    this.#handlers = handlers;
    this.world = world;
    this.random = random;
    this.models = Array.from({ length: PIPES }, () => this.#fresh());
  }

  #fresh(): Model {
    const [reader, writer] = this.world.keep(...pipe());
    return { reader, writer, file: `${this.world.fileOf(reader)}`, unread: 0, ...IDLE };
  }

  add(model: Model): string {
    const { random, world } = this;
    if (model.registration !== undefined) {
      expect(() => world.pool.add(model.reader, { handler: 'idle' })).toThrow(inUse);
      return 'add twice';
    }
    model.manual = random.below(3) === 0;
    model.owned = random.below(3) === 0;
    model.wantsInput = random.below(4) !== 0;
    model.handler = random.pick(this.#handlers);
    if (model.manual) model.handler = 'drain';
    else if (this.#crashes && random.below(CRASH_ODDS) === 0) model.handler = 'crashing';
    const mode = random.pick(MODES);
    const probe = world.probeAgain(this.#adds++);
    // For the patient handler, which waits at a gate.
    probe.permit(1 << 20);
    Object.assign(model, { armed: true, disabled: false, read: 0, probe });
    model.registration = world.add(
      model.reader,
      {
        handler: model.handler,
        mode,
        events: model.wantsInput ? ['in'] : ['pri'],
        ownership: model.owned ? 'own' : 'borrow',
        rearm: model.manual ? 'manual' : 'auto',
      },
      probe,
    ).registration;
    return `add ${model.handler} ${mode}${model.manual ? ' manual' : ''}${model.owned ? ' owned' : ''}`;
  }

  send(model: Model): string {
    const count = this.random.below(20) + 1;
    const sent = write(model.writer, Buffer.alloc(count));
    if (sent > 0) model.unread += sent;
    return `send ${sent}`;
  }

  modify(model: Model): string {
    model.wantsInput = this.random.below(2) === 0;
    model.registration?.modify({ events: model.wantsInput ? ['in'] : ['pri'] });
    return `modify ${model.wantsInput}`;
  }

  disable(model: Model): string {
    model.registration?.disable();
    model.disabled = true;
    return 'disable';
  }

  enable(model: Model): string {
    model.registration?.enable();
    model.disabled = false;
    model.armed = true;
    return 'enable';
  }

  async teardown(model: Model): Promise<string> {
    const { registration, probe } = model;
    if (registration === undefined || probe === undefined) return 'teardown of nothing';
    const detail = this.random.below(65_536);
    const both = this.random.below(2) === 0 ? [registration.teardown(detail), registration.teardown(1)] : [];
    await Promise.all([registration.teardown(detail), ...both]);
    expect([probe.last, probe.reason, probe.get(Field.DETAIL)]).toEqual([1, 'teardown', detail]);
    this.ended(model);
    return 'teardown';
  }

  /** The registration is over: the number may be somebody else's, or the file be there to be registered again. */
  ended(model: Model): void {
    if (model.registration !== undefined) this.over.push(model.registration);
    if (this.over.length > 20) this.over.shift();
    const { owned, writer } = model;
    Object.assign(model, IDLE);
    if (!owned) return;
    expect(this.world.fileOf(model.reader)).not.toBe(model.file);
    this.world.close(writer);
    Object.assign(model, this.#fresh());
  }

  async reopen(model: Model): Promise<string> {
    if (model.registration !== undefined) await this.teardown(model);
    if (this.world.has(model.reader)) this.world.close(model.reader);
    this.world.close(model.writer);
    Object.assign(model, this.#fresh());
    return 'reopen';
  }

  misuse(): string {
    if (this.over.length === 0) return 'nothing to misuse';
    const old = this.random.pick(this.over);
    expect(old.active).toBe(false);
    expect(() => this.random.pick([() => old.enable(), () => old.disable()])()).toThrow(stale);
    expect(() => old.modify({ events: ['out'] })).toThrow(stale);
    void old.teardown(3);
    return 'misuse';
  }

  step(model: Model): string | Promise<string> {
    const calls = [
      () => this.add(model),
      () => this.add(model),
      () => this.send(model),
      () => this.send(model),
      () => this.send(model),
      () => this.modify(model),
      () => this.disable(model),
      () => this.enable(model),
      () => this.enable(model),
      () => this.teardown(model),
      () => this.reopen(model),
      () => this.misuse(),
    ];
    return this.random.pick(calls)();
  }
}

describe('random calls', () => {
  it(
    'do to each registration what the model says (90)',
    async () => {
      const random = new Random();
      await inWorld({ minThreads: 3 }, async (world) => {
        // Half of the registrations ends with its first delivery.
        const handlers = ['drain', 'drain', 'drain', 'ending', 'throwing', 'rejecting'];
        const machine = new Machine(world, random, handlers, true);
        const log: string[] = [];
        try {
          for (let i = 0; i < STEPS; i++) {
            const model = random.pick(machine.models);
            const name = `${machine.models.indexOf(model)}`;
            log.push(`${name}: ${await machine.step(model)}`);
            await check(machine, model);
            if (random.below(20) === 0) {
              await world.settle();
              for (const each of machine.models) await check(machine, each);
            }
          }
          for (const model of machine.models) await machine.teardown(model);
        } catch (error) {
          throw new Error(`seed ${random.seed}, after: ${log.slice(-40).join('; ')}`, { cause: error });
        }
      });
    },
    LONG_MS,
  );

  it(
    'that race deliveries and each other lose nothing and run nothing at once (90)',
    async () => {
      const random = new Random();
      await inWorld({ minThreads: 4, wakeAtHints: 1 }, async (world) => {
        const machine = new Machine(world, random, ['drain', 'busy', 'patient'], false);
        try {
          for (let i = 0; i < STEPS * 4; i++) {
            const model = random.pick(machine.models);
            const done = machine.step(model);
            // Ends are waited for, nothing else: the next call may race what this one has begun.
            if (typeof done !== 'string') await done;
            if (random.below(50) === 0) await new Promise((resolve) => setImmediate(resolve));
          }
          for (const model of machine.models) {
            if (model.registration === undefined) continue;
            model.registration.modify({ events: ['in'] });
            model.registration.enable();
            const empty = (): boolean => unread(model.reader) === 0;
            await world.until(empty, `pipe ${model.reader} is read empty`);
          }
        } catch (error) {
          throw new Error(`seed ${random.seed}`, { cause: error });
        }
      });
    },
    LONG_MS,
  );
});

/** Waits for what the model says must happen, and sees that no more does. */
async function check(machine: Machine, model: Model): Promise<void> {
  const { world } = machine;
  const { registration, probe } = model;
  if (registration === undefined || probe === undefined) return;
  const due = model.unread > 0 && model.wantsInput && !model.disabled && model.armed;
  if (due && model.handler === 'drain') {
    const expected = model.read + model.unread;
    await world.until(() => probe.bytes === expected, `${expected} bytes are read`);
    Object.assign(model, { read: expected, unread: 0, armed: !model.manual });
    await world.until(() => !probe.running, 'the handler is done');
  } else if (due) {
    // Its first delivery is its end.
    await registration.ended();
    expect([probe.count, probe.last]).toEqual([1, 1]);
    expect(probe.reason).toBe(model.handler === 'crashing' ? 'worker-died' : 'teardown');
    if (model.handler === 'ending') model.unread = 0;
    machine.ended(model);
    return;
  }
  expect([probe.bytes, probe.last, registration.active]).toEqual([model.read, 0, true]);
}
