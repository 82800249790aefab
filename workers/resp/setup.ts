/** What the app's thread makes for the handlers of workers/resp.ts. */
import type { Worker } from 'node:worker_threads';
import { Clients, createClients } from './clients.ts';
import { createMemory } from './store.ts';

/** `workerData.resp` of the pool. */
export type RespData = {
  readonly store: SharedArrayBuffer;
  readonly clients: SharedArrayBuffer;
  /** Whether commands may do harm on purpose, for tests. */
  readonly unsafe: boolean;
};

const MAX_CLIENTS = 10_000;

/** @param bytes of memory for keys and values @throws ERR_WAKEONE_INVALID_OPTION */
export function createResp(bytes: number, unsafe = false): RespData {
  return { store: createMemory(bytes), clients: createClients(MAX_CLIENTS), unsafe };
}

/** Does what DEBUG CRASH terminate and DEBUG PROCESS-EXIT ask for. The app's thread, before it makes the pool. */
export function obeyUnsafeCommands(data: RespData): void {
  const clients = new Clients(data.clients, 0);
  const threads = new Map<number, Worker>();
  process.on('worker', (worker) => {
    const { threadId } = worker;
    threads.set(threadId, worker);
    worker.once('exit', () => threads.delete(threadId));
  });
  process.on('SIGUSR2', () => {
    const { victim } = clients;
    if (victim === 0) process.exit(0);
    clients.victim = 0;
    void threads.get(victim)?.terminate();
  });
}
