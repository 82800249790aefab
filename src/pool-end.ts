/**
 * The end of a pool: everything is asked to end, waited for, forced, and what terminated threads have left is taken away.
 *
 *     open ─▶ draining: each registration ends when its input is answered and its output sent
 *       │         │ time is up, or destroy()
 *       └─────────┴─▶ destroying: each ends after the handler that runs ─▶ threads stop ─▶ leftovers end here
 */
import type { Strands } from './reactor/strands.ts';
import { Word } from './slots/layout.ts';
import { type PoolMemory, PoolPhase } from './slots/memory.ts';
import { Cause, Kind, kindOf } from './slots/record.ts';
import { Flag, State } from './slots/word.ts';
import { Registration } from './sources/registration.ts';
import type { Attachments } from './supervision/attachments.ts';
import type { Supervisor } from './supervision/supervisor.ts';

/** Beyond the handlers' grace time, what an orderly end may take before threads are terminated. */
const STOP_MS = 2000;

export class PoolEnd {
  readonly #memory: PoolMemory;
  readonly #strands: Strands;
  readonly #supervisor: Supervisor;
  readonly #attachments: Attachments;
  readonly #limitMs: number;
  readonly #empty = deferred();
  readonly #hurried = deferred();
  #destroying = false;
  #begun = false;

  constructor(
    memory: PoolMemory,
    strands: Strands,
    supervisor: Supervisor,
    attachments: Attachments,
    graceMs: number,
  ) {
    this.#memory = memory;
    this.#strands = strands;
    this.#supervisor = supervisor;
    this.#attachments = attachments;
    this.#limitMs = graceMs + STOP_MS;
  }

  get begun(): boolean {
    return this.#begun;
  }

  /** Drains for at most `timeoutMs`, destroys what is left, ends the threads. Once. */
  async run(timeoutMs: number): Promise<void> {
    this.#begun = true;
    const { port } = this.#memory;
    // Publishes the phase; pairs with the load in registrar.ts: a slot is seen by this sweep, or its registrar sees the phase.
    if (this.#memory.phase === PoolPhase.OPEN) port.store(Word.PHASE, PoolPhase.DRAINING);
    // What they are about to register is there before the sweep; and it is ended while there are workers to do it.
    if (this.#attachments.anyInside) await this.#attachments.outside();
    if (timeoutMs > 0 && !this.#destroying) {
      this.#forceAll(Cause.POOL_CLOSE);
      if (!this.#isEmpty) await within(Promise.race([this.#empty.promise, this.#hurried.promise]), timeoutMs);
    }
    if (!this.#isEmpty) {
      this.#forceEnd();
      if (!this.#isEmpty) await within(this.#empty.promise, this.#limitMs);
    }
    await this.#supervisor.stop(this.#limitMs);
    this.#endLeftovers();
  }

  /** Ends the time that run() gives, or what it will be given. */
  destroy(): void {
    this.#destroying = true;
    this.#hurried.resolve();
    if (this.#begun) this.#forceEnd();
  }

  /** The last registration has ended. There may be new ones later if the end has not begun. */
  noteEmpty(): void {
    if (this.#begun) this.#empty.resolve();
  }

  get #isEmpty(): boolean {
    return this.#memory.census.registered === 0;
  }

  /** Destroys what is there, and what is accepted meanwhile. */
  #forceEnd(): void {
    // The phase before the sweep, as in run().
    if (this.#memory.phase !== PoolPhase.CLOSED) this.#memory.port.store(Word.PHASE, PoolPhase.DESTROYING);
    this.#forceAll(Cause.POOL_DESTROY);
  }

  #forceAll(cause: Cause): void {
    this.#forceThose(cause, (kind) => kind === Kind.LISTENER);
    this.#forceThose(cause, (kind) => kind !== Kind.LISTENER);
  }

  #forceThose(cause: Cause, chosen: (kind: Kind) => boolean): void {
    const { slots, layout, records } = this.#memory;
    for (let index = 0; index < layout.slotCount; index++) {
      if (slots.state(index) === State.FREE || !chosen(kindOf(records.config(index)))) continue;
      new Registration(this.#memory, this.#strands, index, slots.generation(index)).force(cause);
    }
  }

  /** All threads have ended. What those that were terminated have left ends here, without its last handler. */
  #endLeftovers(): void {
    const { slots, layout, me } = this.#memory;
    for (let index = 0; index < layout.slotCount; index++) {
      if (slots.state(index) === State.FREE) continue;
      this.#strands.request(index, slots.generation(index), Flag.FORCED);
      if (slots.claim(index, me) !== 0 && this.#strands.beginEnd(index)) this.#strands.end(index, false);
    }
  }
}

type Deferred = { readonly promise: Promise<void>; readonly resolve: () => void };

function deferred(): Deferred {
  let resolve = (): void => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

async function within(done: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([done, limit]);
  clearTimeout(timer);
}
