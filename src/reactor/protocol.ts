/** What the app's thread and the pool's threads say to each other by message: rare things only, never events. */
import type { MessagePort } from 'node:worker_threads';
import type { PoolBuffers } from '../slots/memory.ts';
import type { Kind } from '../slots/record.ts';
import type { Thrown } from './thrown.ts';

/** Name and kind of a handler; its position in the list is its number. */
export type HandlerEntry = { readonly name: string; readonly kind: typeof Kind.RAW | typeof Kind.CONNECTION };

/**
 * Where a thread is on its way to its task: { ASKED } -> LOADS -> LOADED. A thread that is terminated while it loads the
 * package and the native layer ends the whole process (SIGABRT: neither Node's linking of modules nor koffi expects that
 * calls into V8 fail). FORBIDDEN, set while it is ASKED, keeps it from loading.
 */
export const Loading = { ASKED: 0, LOADS: 1, LOADED: 2, FORBIDDEN: 3 } as const;

/** What every thread is given beside its task: the URL of the file to load, and a word of {@link Loading}. */
export type LoadingTask = { readonly module: string; readonly loading: Int32Array };

/** A thread's: it may be terminated from now on. */
export function noteLoaded({ loading }: Pick<LoadingTask, 'loading'>): void {
  Atomics.store(loading, 0, Loading.LOADED);
  Atomics.notify(loading, 0);
}

/** The task that makes a thread a worker. */
export type ReactorTask = LoadingTask & {
  readonly buffers: PoolBuffers;
  /** Counts from 0. */
  readonly worker: number;
  readonly handlers: string;
  readonly workerData: unknown;
  readonly port: MessagePort;
};

/** The task that makes a thread the monitor. */
export type MonitorTask = LoadingTask & { readonly buffers: PoolBuffers; readonly port: MessagePort };

export type FromWorker =
  | {
      readonly type: 'ready';
      readonly worker: number;
      readonly entries: HandlerEntry[];
    }
  | { readonly type: 'failed'; readonly worker: number; readonly why: Thrown }
  /** The number of registrations has become zero, or one. */
  | { readonly type: 'registrations' }
  | { readonly type: 'handlerError'; readonly error: Thrown; readonly handler: string; readonly fd: number }
  | { readonly type: 'starved'; readonly fd: number; readonly errno: number }
  /** Hints wait, nobody is parked, and the limit has room. */
  | { readonly type: 'short' }
  /** A registration that has ended goes on reporting events. */
  | { readonly type: 'leftover' }
  /** Something has a timeout, and there is no monitor yet. */
  | { readonly type: 'timed' }
  /** A handler asks for the pool's end. */
  | { readonly type: 'close'; readonly timeoutMs: number | undefined };
