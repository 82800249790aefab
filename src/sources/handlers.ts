/** What a handler module exports: named handlers, and what to do once per worker. */
import { makeError, show } from '../errors.ts';
import type { HandlerEntry } from '../reactor/protocol.ts';
import { Kind, MAX_HANDLERS } from '../slots/record.ts';
import type { TimeoutKind } from '../slots/timeouts.ts';
import { checkInteger } from './arguments.ts';
import type { Connection } from './connection.ts';
import type { FdEvent } from './fd-event.ts';
import type { CloseReason, Failure } from './reason.ts';
import type { Declaration } from './state-rows.ts';
import { layOut, NO_LAYOUT, type NoState, type StateShape } from './state-shape.ts';

type Result = void | Promise<void>;

/**
 * Handlers of a connection. At most one of them runs at a time for one connection, in one worker; the next may run in
 * another worker. In one turn the order is: trigger, data, end, drain, timeout; `close` is the last of all and runs exactly once
 * for each connection whose `open` ran, and for each that `connect()` began.
 */
export type ConnectionHandlers<S extends StateShape = NoState, G extends StateShape = NoState> = {
  /** The fields of `connection.state`, with their types. */
  readonly state?: S;
  /** The connection was accepted (or added), or what `connect()` began is there. */
  open?(connection: Connection<S, G>): Result;
  /** New input is there: `connection.input`, `connection.read()`. What is left unread is kept. */
  data?(connection: Connection<S, G>): Result;
  /** `registration.trigger(bits)` was called, by any thread: the bits of all calls since the last delivery. */
  trigger?(connection: Connection<S, G>, bits: number): Result;
  /**
   * A timeout is over. The connection goes on, and the same timeout begins again (a deadline does not), unless the handler
   * ends it. Without this handler the connection ends with the reason `{ type: 'timeout', kind }`.
   */
  timeout?(connection: Connection<S, G>, kind: TimeoutKind): Result;
  /** All output has been handed to the kernel after `write()` had returned false. */
  drain?(connection: Connection<S, G>): Result;
  /** The peer will send no more. Without `allowHalfOpen` our side is ended after this handler. */
  end?(connection: Connection<S, G>): Result;
  /** The connection failed, or a handler threw. `close` follows. */
  error?(connection: Connection<S, G>, error: Failure): Result;
  /** The end: nothing runs after it. The descriptor is closed when it is done. */
  close?(connection: Connection<S, G>, reason: CloseReason): Result;
  /** Bytes that one turn may read; then the connection goes to the tail of the queue. 1 to 2^30, default 64 KiB, one read. */
  readonly maxBytesPerTurn?: number;
  /**
   * For a `data` that takes one message a call: it is called again as long as it takes something and leaves something, so
   * often in one turn; then the connection goes to the tail of the queue. 1 to 2^20. Without this `data` is called once
   * for each read, and takes all messages that it finds.
   */
  readonly maxMessagesPerTurn?: number;
};

/** The names of those that are functions. */
export type ConnectionMethod = Exclude<keyof ConnectionHandlers, 'state' | keyof typeof MOST_PER_TURN>;

/** Handler of a bare descriptor: called for each delivery, and once more for the last (`event.last`). */
export type FdHandler<S extends StateShape = NoState, G extends StateShape = NoState> = (
  event: FdEvent<S, G>,
) => Result;

/** The same with a state. */
export type FdHandlers<S extends StateShape = NoState, G extends StateShape = NoState> = {
  /** The fields of `event.state`, with their types. */
  readonly state?: S;
  event(event: FdEvent<S, G>): Result;
};

/** What serves a registration. @typeParam S its state @typeParam G that of groups */
export type Handler<S extends StateShape = NoState, G extends StateShape = NoState> =
  | ConnectionHandlers<S, G>
  | FdHandlers<S, G>
  | FdHandler<S, G>;

export type HandlerOptions<G extends StateShape = NoState> = {
  /** The fields of `group.state`, with their types: of all groups of the pool. */
  readonly groupState?: G;
  /** Runs once in each worker before its first event, with the pool's `workerData`; the pool is ready when all have settled. */
  readonly init?: (workerData: unknown) => Result;
  /** Runs once in each worker after its last event. */
  readonly dispose?: () => Result;
};

const MARK: unique symbol = Symbol.for('wakeone.handlers');

export type HandlerModule<H extends Record<string, Handler> = Record<string, Handler>> = {
  readonly handlers: H;
  readonly options: HandlerOptions;
  readonly [MARK]: true;
};

/** The largest values of a connection's budgets. */
const MOST_PER_TURN: Readonly<Record<'maxBytesPerTurn' | 'maxMessagesPerTurn', number>> = {
  maxBytesPerTurn: 2 ** 30,
  maxMessagesPerTurn: 2 ** 20,
};
const EVENT_METHODS: ReadonlySet<string> = new Set(['event']);
const CONNECTION_METHODS: ReadonlySet<string> = new Set([
  'open',
  'trigger',
  'data',
  'drain',
  'timeout',
  'end',
  'error',
  'close',
]);

/** What was inferred of a state: nothing, a declaration, or something that is none and shall not do. */
type Declared<S> = unknown extends S ? NoState : S extends StateShape ? S : StateShape;

/**
 * Declares the handlers of a module; make the result its default export. Any thread.
 *
 * @throws ERR_WAKEONE_INVALID_ARGUMENT if a handler is neither a function nor an object of the known methods
 * @throws ERR_WAKEONE_INVALID_STATE if a state is declared that cannot be
 * @example
 * export default defineHandlers({ echo: { data: (connection) => { connection.write(connection.read()); } } });
 */
export function defineHandlers<const S, const G extends StateShape = NoState>(
  handlers: { readonly [K in keyof S]: Handler<Declared<S[K]>, G> },
  options: HandlerOptions<G> = {},
): HandlerModule<Record<keyof S & string, Handler>> {
  const entries = Object.entries(handlers);
  if (entries.length === 0 || entries.length > MAX_HANDLERS) {
    throw makeError(
      'ERR_WAKEONE_INVALID_ARGUMENT',
      'handlers',
      `1 to ${MAX_HANDLERS} handlers`,
      `${entries.length}`,
    );
  }
  for (const [name, handler] of entries) checkHandler(name, handler);
  layOut('groupState', options.groupState);
  for (const [name, hook] of Object.entries(options)) {
    if (name === 'groupState') continue;
    if (!['init', 'dispose'].includes(name) || (hook !== undefined && typeof hook !== 'function')) {
      throw makeError(
        'ERR_WAKEONE_INVALID_ARGUMENT',
        `options.${name}`,
        `'init' or 'dispose', a function, or 'groupState'`,
        show(hook),
      );
    }
  }
  return { handlers: handlers as unknown as Record<keyof S & string, Handler>, options, [MARK]: true };
}

function checkHandler(name: string, handler: unknown): void {
  if (typeof handler === 'function') return;
  if (typeof handler !== 'object' || handler === null) {
    throw makeError(
      'ERR_WAKEONE_INVALID_ARGUMENT',
      name,
      'a function or an object of handlers',
      show(handler),
    );
  }
  const { state, ...methods } = handler as { readonly state?: unknown };
  layOut(`${name}.state`, state);
  if (!Object.values(methods).some((method) => typeof method === 'function'))
    throw makeError(
      'ERR_WAKEONE_INVALID_ARGUMENT',
      name,
      `a function, or an object with one of the functions ${[...CONNECTION_METHODS].join(', ')}`,
      show(handler),
    );
  // Beside `event` there is nothing but the state.
  const known: ReadonlySet<string> = 'event' in methods ? EVENT_METHODS : CONNECTION_METHODS;
  for (const [method, value] of Object.entries(methods)) {
    if (known === CONNECTION_METHODS && isBudget(method)) {
      checkInteger(`${name}.${method}`, value, MOST_PER_TURN[method], 1);
      continue;
    }
    if (known.has(method) && typeof value === 'function') continue;
    const others = known === EVENT_METHODS ? ['state'] : ['state', ...Object.keys(MOST_PER_TURN)];
    throw makeError(
      'ERR_WAKEONE_INVALID_ARGUMENT',
      `${name}.${method}`,
      `a function named one of ${[...known].join(', ')}, or one of ${others.join(', ')}`,
      show(value),
    );
  }
}

function isBudget(name: string): name is keyof typeof MOST_PER_TURN {
  return Object.hasOwn(MOST_PER_TURN, name);
}

/** Whether a module's default export came from defineHandlers. */
export function isHandlerModule(value: unknown): value is HandlerModule {
  return typeof value === 'object' && value !== null && MARK in value;
}

/** The handlers of a module in the order of their numbers, and their states. */
export function listHandlers(module: HandlerModule): {
  readonly entries: HandlerEntry[];
  readonly handlers: (ConnectionHandlers | FdHandler)[];
  readonly declaration: Declaration;
} {
  const names = Object.keys(module.handlers).toSorted((a, b) => (a < b ? -1 : 1));
  const given = names.map((name) => module.handlers[name] ?? {});
  const handlers = given.map((handler) =>
    typeof handler === 'object' && 'event' in handler ? handler.event.bind(handler) : handler,
  );
  const entries = names.map((name, i) => ({
    name,
    kind: typeof handlers[i] === 'function' ? Kind.RAW : Kind.CONNECTION,
  }));
  const declared = given.map((handler, i) => {
    const name = names[i] ?? '';
    return {
      name,
      layout: typeof handler === 'function' ? NO_LAYOUT : layOut(`${name}.state`, handler.state),
    };
  });
  return {
    entries,
    handlers,
    declaration: { handlers: declared, group: layOut('groupState', module.options.groupState) },
  };
}
