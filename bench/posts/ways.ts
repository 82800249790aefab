/** The ways to hand work to another thread. Each can send `count` units and knows when all of them were handled. */
import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { createPool, type Pool } from '../../src/index.ts';
import type { MessageTask } from './message-worker.ts';
import { Tally } from './tally.ts';

export type Way = {
  /** Sends so many units; returns when the last one was sent. */
  send(count: number): void;
  readonly tally: Tally;
  /** Undefined for what is no pool. */
  readonly pool?: Pool;
  end(): Promise<void>;
};

/** Who posts: the main thread, or a worker (of the same pool). */
export type From = 'main' | 'worker';

const maxSources = 65_536;

export async function openEvent(merge: 'add' | 'count', from: From, workers: number): Promise<Way> {
  const { pool, tally } = await openPool(workers);
  const event = pool.userEvent({ handler: 'event', merge, name: 'target' });
  const send = (count: number): void => {
    if (from === 'worker') pool.post('drive', count);
    else for (let i = 0; i < count; i++) event.post();
  };
  return { send, tally, pool, end: () => pool.close() };
}

export async function openItem(from: From, workers: number): Promise<Way> {
  const { pool, tally } = await openPool(workers);
  const send = (count: number): void => {
    if (from === 'worker') pool.post('driveItems', count);
    else for (let i = 0; i < count; i++) while (!pool.post('item', 1)) tally.pause();
  };
  return { send, tally, pool, end: () => pool.close() };
}

export async function openMessage(from: From): Promise<Way> {
  const tally = new Tally();
  const { memory } = tally;
  if (from === 'main') {
    const counter = await startWorker({ role: 'counter', memory });
    const send = (count: number): void => {
      for (let i = 0; i < count; i++) counter.postMessage(1);
    };
    return { send, tally, end: async () => void (await counter.terminate()) };
  }
  const { port1, port2 } = new MessageChannel();
  const counter = await startWorker({ role: 'counter', memory, port: port1 });
  const sender = await startWorker({ role: 'sender', memory, port: port2 });
  const end = async (): Promise<void> => {
    await Promise.all([counter.terminate(), sender.terminate()]);
  };
  return { send: (count) => sender.postMessage(count), tally, end };
}

async function openPool(workers: number): Promise<{ readonly pool: Pool; readonly tally: Tally }> {
  const tally = new Tally();
  const handlers = new URL('handlers.js', import.meta.url);
  const pool = await createPool({
    handlers,
    minThreads: workers,
    concurrency: workers,
    maxSources,
    workerData: tally.memory,
  });
  return { pool, tally };
}

async function startWorker(task: MessageTask): Promise<Worker> {
  const transferList = task.port === undefined ? [] : [task.port];
  const worker = new Worker(new URL('message-worker.js', import.meta.url), {
    workerData: task,
    transferList,
  });
  await once(worker, 'message');
  return worker;
}
