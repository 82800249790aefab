/** What the app's thread makes for the handlers of workers/resp.ts. */
import { createClients } from './clients.ts';
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
