/** A worker from its first instruction to its last: attaches to the pool, loads the handlers, runs the reactor. */
import { threadId } from 'node:worker_threads';
import { makeError, SystemError } from '../errors.ts';
import { Epoll, EpollOp, Errno, type Native, openEventLoop, openNative } from '../native/index.ts';
import { Dispatcher } from '../reactor/dispatcher.ts';
import { LoneDispatcher } from '../reactor/lone-dispatcher.ts';
import { LoopTurns } from '../reactor/loop-turns.ts';
import { Monitor } from '../reactor/monitor.ts';
import type { Presence } from '../reactor/presence.ts';
import {
  type FromWorker,
  type HandlerEntry,
  type MonitorTask,
  noteLoaded,
  type ReactorTask,
} from '../reactor/protocol.ts';
import { End, Reactor } from '../reactor/reactor.ts';
import { Sleepers } from '../reactor/sleepers.ts';
import { Timekeeper } from '../reactor/timekeeper.ts';
import { packThrown } from '../reactor/thrown.ts';
import { Config, countersOf, Owner, RetireState, WorkerPhase, WorkerWord, Word } from '../slots/layout.ts';
import { attachMemory, type PoolMemory } from '../slots/memory.ts';
import { makeAccess } from './access.ts';
import { ConnectionSource } from './connection-source.ts';
import { Connecting } from './connecting.ts';
import { claimWriteArea, makeScratch, type WorkerContext } from './context.ts';
import { FdSource } from './fd-source.ts';
import { GroupSource } from './group-source.ts';
import { type HandlerModule, isHandlerModule, listHandlers } from './handlers.ts';
import { ListenerSource } from './listener.ts';
import { Locals } from './locals.ts';
import { PendingHandlers } from './pending.ts';
import { StateRows } from './state-rows.ts';

/** How long a worker that ends waits for an app's thread that does not take what was printed. */
const PRINT_MS = 500;

/** The worker that this thread is, for the functions of `wakeone/worker`. */
export type CurrentWorker = {
  readonly context: WorkerContext;
  readonly send: (message: FromWorker) => void;
  /** Undefined while the module is loaded and its `init` runs. */
  readonly presence?: Presence;
};

const OTHER_STATE = 'it declares another state than the workers that were started before have';

/** Shortest time between two requests of the monitor for a thread more. */
const TELL_AGAIN_MS = 10;
/** The monitor waits for its alarm, the stop and its event loop. */
const MOST_EVENTS = 3;
/** Of a struct epoll_event, on any architecture. */
const MOST_EVENT_BYTES = 16;

let current: CurrentWorker | undefined;

/** How this thread is present in a pool; undefined if it runs no handlers. */
export function currentPresence(): Presence | undefined {
  return current?.presence;
}

/** Sends what the handler that runs now has written so far. */
export function sendWritten(): void {
  if (current !== undefined) claimWriteArea(current.context);
}

/** @throws ERR_WAKEONE_NO_WORKER outside of a pool's worker */
export function currentWorker(what: string): CurrentWorker {
  if (current === undefined) throw makeError('ERR_WAKEONE_NO_WORKER', what);
  return current;
}

/** Runs a worker until the pool stops. Rejects if the handler module cannot be used. */
export async function runReactor(task: ReactorTask): Promise<void> {
  const send = (message: FromWorker): void => {
    task.port.postMessage(message);
  };
  task.port.unref();
  const native = openNative();
  const memory = attachMemory(task.buffers, Owner.FIRST_WORKER + task.worker, task.worker);
  const line = memory.layout.worker(task.worker);
  memory.words[line + WorkerWord.TID] = native.threadId();
  memory.words[line + WorkerWord.THREAD] = threadId;
  memory.words[line + WorkerWord.PHASE] = WorkerPhase.STARTING;
  const alone = memory.config(Config.MAX_THREADS) === 1;
  const dispatcher = alone ? new LoneDispatcher(memory, native) : new Dispatcher(memory, native);
  const { strands, registrar } = makeAccess(dispatcher, native);
  const loop = new LoopTurns(native);
  const tell = (): void => {
    send({ type: 'registrations' });
  };
  strands.onLast = tell;
  strands.onTimed = () => send({ type: 'timed' });
  registrar.onFirst = tell;
  const pending = new PendingHandlers(memory, task.worker, memory.config(Config.GRACE_MS), (count) => {
    loop.pendingHandlers = count;
  });
  const report: WorkerContext['report'] = (error, handler, fd) => {
    send({ type: 'handlerError', error: packThrown(error), handler, fd });
  };
  const handlers: object[] = [];
  const names: string[] = [];
  const entries: HandlerEntry[] = [];
  const context: WorkerContext = {
    worker: task.worker,
    memory,
    native,
    strands,
    registrar,
    connecting: new Connecting(memory, strands),
    groups: undefined,
    locals: new Locals(memory),
    rows: new StateRows(memory),
    loop,
    pending,
    handlers,
    names,
    entries,
    input: makeScratch(native),
    output: makeScratch(native),
    gathering: undefined,
    dataAddress: native.adopt(memory.buffers.data),
    dataBuffer: Buffer.from(memory.buffers.data),
    report,
  };
  current = { context, send };
  noteLoaded(task);

  let module: HandlerModule;
  try {
    await loop.takeBaseline();
    module = await loadHandlers(task.handlers);
    const listed = listHandlers(module);
    handlers.push(...listed.handlers);
    names.push(...listed.entries.map((entry) => entry.name));
    entries.push(...listed.entries);
    if (!context.rows.declare(listed.declaration)) throw unusable(task.handlers, OTHER_STATE);
    await module.options.init?.(task.workerData);
    // Slots may live here from now on.
    dispatcher.mail.boxes.open(task.worker);
    send({ type: 'ready', worker: task.worker, entries: listed.entries });
  } catch (error) {
    memory.words[line + WorkerWord.PHASE] = WorkerPhase.STOPPED;
    send({ type: 'failed', worker: task.worker, why: packThrown(error) });
    return;
  }
  const connections = new ConnectionSource(context);
  const listeners = new ListenerSource(context, connections, (fd, errno) => {
    send({ type: 'starved', fd, errno });
  });
  const end = await new Promise<End>((resolve) => {
    const hooks = {
      onAttention: () => pending.attend(),
      onLeftover: () => send({ type: 'leftover' }),
      onEnd: resolve,
    };
    const functions = new FdSource(context);
    // By Kind: RAW, CONNECTION, LISTENER, EVENT, ITEM, TIMER; then GROUP.
    const members = [functions, connections, listeners, functions, functions, functions];
    const groups = new GroupSource(context, connections, members);
    context.groups = groups;
    const sources = [...members, groups];
    memory.words[line + WorkerWord.PHASE] = WorkerPhase.RUNNING;
    const reactor = new Reactor(task.worker, dispatcher, strands, loop, sources, hooks);
    current = { context, send, presence: reactor.presence };
    reactor.start();
  });
  if (end === End.RETIRED) return leave(module, memory, task.worker, report);
  await module.options.dispose?.();
  await allPrinted();
  task.port.close();
}

/** The end of a worker that retires. Its task does not return: its thread would be given to another worker of the pool. */
async function leave(
  module: HandlerModule,
  memory: PoolMemory,
  worker: number,
  report: WorkerContext['report'],
): Promise<void> {
  try {
    await module.options.dispose?.();
  } catch (error) {
    report(error, 'dispose', -1);
  }
  await allPrinted();
  memory.port.store(memory.layout.worker(worker) + WorkerWord.RETIRE, RetireState.LEFT);
  process.exit(0);
}

/** Runs the monitor until the pool stops. It blocks its thread. */
export function runMonitor(task: MonitorTask): void {
  const memory = attachMemory(task.buffers, Owner.SUPERVISOR, countersOf(Owner.SUPERVISOR));
  let toldAt = -Infinity;
  const short = (): void => {
    const now = performance.now();
    if (now - toldAt < TELL_AGAIN_MS || !hasVacancy(memory)) return;
    toldAt = now;
    task.port.postMessage({ type: 'short' } satisfies FromWorker);
  };
  const native = openNative();
  const dispatcher = new Dispatcher(memory, native);
  const wait = monitorWait(native, memory.config(Word.MONITOR_SET));
  noteLoaded(task);
  new Monitor(dispatcher, wait, short, new Sleepers(memory), new Timekeeper(dispatcher)).run();
  task.port.close();
}

/** How the monitor waits, for so many milliseconds at the most: for its alarm, the pool's stop and its own event loop. */
function monitorWait(native: Native, set: number): (ms: number) => void {
  const { address } = native.memory(MOST_EVENTS * MOST_EVENT_BYTES);
  // How a thread that is to be terminated learns of it.
  const backend = openEventLoop()?.backendFd;
  if (backend !== undefined)
    native.epollControl(set, EpollOp.ADD, backend, Epoll.IN | Epoll.EDGE, backend, 0);
  return (ms) => {
    const result = native.epollWait(set, address, MOST_EVENTS, ms === Infinity ? -1 : Math.ceil(ms));
    if (result < 0 && result !== Errno.EINTR) throw new SystemError('epoll_wait', result);
  };
}

/** Whether a thread more could help: there may be one, and none is on its way. */
function hasVacancy({ words, layout }: PoolMemory): boolean {
  const phases = Array.from(
    { length: words[Config.MAX_THREADS] ?? 0 },
    (_, worker) => words[layout.worker(worker) + WorkerWord.PHASE],
  );
  return phases.includes(WorkerPhase.ABSENT) && !phases.includes(WorkerPhase.STARTING);
}

/**
 * What handlers have printed goes through the app's thread piece by piece, each after an answer to the one before. The
 * thread is about to be terminated, and what waits for its answer would be lost.
 */
async function allPrinted(): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map(printed));
}

async function printed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return;
  let limit: NodeJS.Timeout | undefined;
  await new Promise<void>((resolve) => {
    limit = setTimeout(resolve, PRINT_MS);
    stream.write('', () => resolve());
  });
  clearTimeout(limit);
}

async function loadHandlers(url: string): Promise<HandlerModule> {
  const loaded = (await import(url)) as { readonly default?: unknown };
  if (isHandlerModule(loaded.default)) return loaded.default;
  throw unusable(url, 'its default export must be what defineHandlers() returned');
}

function unusable(url: string, why: string): Error {
  return makeError('ERR_WAKEONE_HANDLER_MODULE', url, why);
}
