/** The long-lived tasks of a pool's threads: each has a thread of its own, a channel for its messages, and an end. */
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { FromWorker } from '../reactor/protocol.ts';
import type { Threads } from './threads.ts';

export class Tasks {
  readonly #threads: Threads;
  readonly #running = new Set<Promise<void>>();

  constructor(threads: Threads) {
    this.#threads = threads;
  }

  /**
   * Starts a task. `hear` is given what it says, and `then`, once, how it ended: undefined, or why its thread died. `data` makes
   * its argument of its end of the channel.
   */
  start(
    filename: string,
    data: (port: MessagePort) => object,
    hear: (message: FromWorker) => void,
    then: (error: unknown) => void,
  ): void {
    const { port1, port2 } = new MessageChannel();
    port1.on('message', hear);
    port1.unref();
    // What the task said before it ended is heard first: the two ways of its messages keep no order among themselves.
    const end = (error: unknown): void => {
      for (let said = receiveMessageOnPort(port1); said !== undefined; said = receiveMessageOnPort(port1))
        hear(said.message as FromWorker);
      then(error);
    };
    const run = this.#threads.run({ filename, data: data(port2), transfer: [port2] });
    const task = run.then(() => end(undefined), end);
    this.#running.add(task);
    void task.then(() => {
      this.#running.delete(task);
      port1.close();
    });
  }

  /** Resolves when all that run now have ended. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#running);
  }
}
