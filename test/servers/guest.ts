/** The test's side of programs/attached.mjs: Workers of the app that attach themselves and do as they are told. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Pool } from 'wakeone';
import { within } from './deadline.ts';
import { afterTest } from './pools.ts';

/** Words that a Worker shares with the test. */
export const Shared = { STARTED: 0, POSTED: 1, ITEMS_STARTED: 2, ITEMS_POSTED: 3, ADDS: 4, STOP: 5 } as const;

/** A Worker of programs/attached.mjs. */
export class Guest {
  readonly worker: Worker;
  readonly words: Int32Array;
  readonly ended: Promise<unknown>;

  private constructor() {
    const memory = new SharedArrayBuffer(64);
    this.words = new Int32Array(memory);
    this.worker = new Worker(new URL('programs/attached.mjs', import.meta.url), { workerData: memory });
    this.ended = once(this.worker, 'exit');
    afterTest(() => this.worker.terminate());
  }

  /** Resolves when it has loaded the package: it may be terminated from then on. */
  static async start(): Promise<Guest> {
    const guest = new Guest();
    await guest.#answer();
    return guest;
  }

  static async attachedTo(pool: Pool): Promise<Guest> {
    const guest = await Guest.start();
    await guest.attach(pool);
    return guest;
  }

  attach(pool: Pool): Promise<unknown> {
    return this.order('attach', pool.attach(this.worker));
  }

  /** Gives an order; its result, or the code of its error, thrown as an error. */
  async order(name: string, argument?: unknown, deadlineMs?: number): Promise<unknown> {
    this.tell(name, argument);
    return await this.#answer(deadlineMs);
  }

  /** Gives an order that is not answered: it never ends. */
  tell(name: string, argument?: unknown): void {
    this.worker.postMessage([name, argument]);
  }

  async #answer(deadlineMs?: number): Promise<unknown> {
    const [answer] = (await within(once(this.worker, 'message'), 'the Worker’s answer', deadlineMs)) as [
      { readonly value?: unknown; readonly code?: string },
    ];
    if (answer.code !== undefined) throw Object.assign(new Error(answer.code), { code: answer.code });
    return answer.value;
  }
}
