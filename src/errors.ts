/**
 * The one table of errors. A code is never changed or reused; tests and users match codes, not messages.
 * README's error table is compared with this one by a test.
 */
import { constants } from 'node:os';

type Template = (...details: string[]) => string;
type Row = { readonly base: 'Error' | 'TypeError' | 'RangeError'; readonly message: Template };

const row = (base: Row['base'], message: Template): Row => ({ base, message });

export type ErrorCode =
  | 'ERR_WAKEONE_INVALID_OPTION'
  | 'ERR_WAKEONE_INVALID_FD'
  | 'ERR_WAKEONE_BAD_FD'
  | 'ERR_WAKEONE_FD_UNSUPPORTED'
  | 'ERR_WAKEONE_FD_IN_USE'
  | 'ERR_WAKEONE_FD_RESERVED'
  | 'ERR_WAKEONE_FD_LOOP'
  | 'ERR_WAKEONE_WATCH_LIMIT'
  | 'ERR_WAKEONE_INVALID_EVENTS'
  | 'ERR_WAKEONE_INVALID_ARGUMENT'
  | 'ERR_WAKEONE_INVALID_STATE'
  | 'ERR_WAKEONE_UNKNOWN_HANDLER'
  | 'ERR_WAKEONE_HANDLER_KIND'
  | 'ERR_WAKEONE_HANDLER_MODULE'
  | 'ERR_WAKEONE_POOL_CLOSED'
  | 'ERR_WAKEONE_STALE_REGISTRATION'
  | 'ERR_WAKEONE_SOURCES_EXHAUSTED'
  | 'ERR_WAKEONE_NAME_IN_USE'
  | 'ERR_WAKEONE_UNKNOWN_EVENT'
  | 'ERR_WAKEONE_EVENT_FULL'
  | 'ERR_WAKEONE_AFFINITY'
  | 'ERR_WAKEONE_IN_GROUP'
  | 'ERR_WAKEONE_OTHER_POOL'
  | 'ERR_WAKEONE_NOT_OWNER'
  | 'ERR_WAKEONE_ENDED'
  | 'ERR_WAKEONE_OUTPUT_PENDING'
  | 'ERR_WAKEONE_MESSAGE_TOO_LONG'
  | 'ERR_WAKEONE_BAD_FRAME'
  | 'ERR_WAKEONE_NO_WORKER'
  | 'ERR_WAKEONE_TICKET'
  | 'ERR_WAKEONE_ATTACH_LIMIT'
  | 'ERR_WAKEONE_DETACHED'
  | 'ERR_WAKEONE_WORKER_DIED'
  | 'ERR_WAKEONE_UNKNOWN_SHARED'
  | 'ERR_WAKEONE_SHARED_LENGTH'
  | 'ERR_WAKEONE_SHARED_EXHAUSTED'
  | 'ERR_WAKEONE_MAIN_THREAD'
  | 'ERR_WAKEONE_LOCK_HELD'
  | 'ERR_WAKEONE_LOCK_NOT_HELD'
  | 'ERR_WAKEONE_ABORTED'
  | 'ERR_WAKEONE_UNSUPPORTED';

export const ERROR_TABLE: Readonly<Record<ErrorCode, Row>> = {
  ERR_WAKEONE_INVALID_OPTION: row(
    'TypeError',
    (name, expected, received) => `Option '${name}' must be ${expected}; got ${received}`,
  ),
  ERR_WAKEONE_INVALID_FD: row(
    'RangeError',
    (received, limit) =>
      `A file descriptor must be an integer from 0 to ${limit} (option maxFds); got ${received}`,
  ),
  ERR_WAKEONE_BAD_FD: row('Error', (fd) => `File descriptor ${fd} is not open`),
  ERR_WAKEONE_FD_UNSUPPORTED: row(
    'Error',
    (fd) =>
      `File descriptor ${fd} cannot be waited for: epoll takes sockets, pipes, ttys, eventfds and the like, not regular files or directories (EPERM)`,
  ),
  ERR_WAKEONE_FD_IN_USE: row(
    'Error',
    (fd) => `File descriptor ${fd} is already registered; tear that registration down first`,
  ),
  ERR_WAKEONE_FD_RESERVED: row('Error', (fd) => `File descriptor ${fd} belongs to the pool itself`),
  ERR_WAKEONE_FD_LOOP: row(
    'Error',
    (fd) => `File descriptor ${fd} is an epoll set that contains the pool's own set (ELOOP)`,
  ),
  ERR_WAKEONE_WATCH_LIMIT: row(
    'Error',
    (fd) =>
      `The kernel has no room to watch file descriptor ${fd}: raise fs.epoll.max_user_watches or free memory`,
  ),
  ERR_WAKEONE_INVALID_EVENTS: row(
    'TypeError',
    (received) => `'events' must be a non-empty array of 'in', 'out', 'pri'; got ${received}`,
  ),
  ERR_WAKEONE_INVALID_ARGUMENT: row(
    'TypeError',
    (name, expected, received) => `Argument '${name}' must be ${expected}; got ${received}`,
  ),
  ERR_WAKEONE_INVALID_STATE: row(
    'TypeError',
    (name, expected, received) => `State '${name}' must be ${expected}; got ${received}`,
  ),
  ERR_WAKEONE_UNKNOWN_HANDLER: row(
    'RangeError',
    (received, known) =>
      `A handler is given by its name; the handler module has ${known}, and not ${received}`,
  ),
  ERR_WAKEONE_HANDLER_KIND: row(
    'TypeError',
    (name, expected) => `Handler '${name}' cannot be used here: expected ${expected}`,
  ),
  ERR_WAKEONE_HANDLER_MODULE: row(
    'Error',
    (url, why) => `The handler module ${url} could not be used in a worker: ${why}`,
  ),
  ERR_WAKEONE_POOL_CLOSED: row('Error', (what) => `${what}: the pool is closed or closing`),
  ERR_WAKEONE_STALE_REGISTRATION: row(
    'Error',
    (fd) => `The registration of file descriptor ${fd} has ended; its handle can no longer be used`,
  ),
  ERR_WAKEONE_SOURCES_EXHAUSTED: row(
    'Error',
    (most) => `All ${most} sources without a descriptor are in use (option maxSources)`,
  ),
  ERR_WAKEONE_NAME_IN_USE: row('Error', (name) => `There is a user event ${name} already`),
  ERR_WAKEONE_UNKNOWN_EVENT: row('RangeError', (name) => `There is no user event ${name}`),
  ERR_WAKEONE_EVENT_FULL: row(
    'RangeError',
    (value, most) => `${value} cannot be posted: with what waits it would be more than ${most}`,
  ),
  ERR_WAKEONE_AFFINITY: row('Error', (what, why) => `${what} with affinity 'sticky': ${why}`),
  ERR_WAKEONE_IN_GROUP: row(
    'Error',
    (fd) => `The registration of file descriptor ${fd} is in another group; take it out of that first`,
  ),
  ERR_WAKEONE_OTHER_POOL: row('TypeError', (what) => `${what} belongs to another pool`),
  ERR_WAKEONE_NOT_OWNER: row(
    'Error',
    (what) => `${what} is only allowed while the handler that was given this object runs`,
  ),
  ERR_WAKEONE_ENDED: row('Error', (what) => `${what} after end()`),
  ERR_WAKEONE_OUTPUT_PENDING: row(
    'Error',
    (what) => `${what} is not possible while output is still unsent; wait for 'drain'`,
  ),
  ERR_WAKEONE_MESSAGE_TOO_LONG: row(
    'RangeError',
    (what, most) => `${what} of more than ${most} bytes has arrived (argument maxBytes, option maxInput)`,
  ),
  ERR_WAKEONE_BAD_FRAME: row(
    'RangeError',
    (length, itself) => `A frame's length must count its own ${itself} bytes; it is ${length}`,
  ),
  ERR_WAKEONE_NO_WORKER: row('Error', (what) => `${what} must be called in a worker of a pool`),
  ERR_WAKEONE_TICKET: row('Error', (why) => `The ticket cannot be used: ${why}`),
  ERR_WAKEONE_ATTACH_LIMIT: row(
    'Error',
    (most) => `All ${most} places of attached Workers are taken; one is free again when its Worker has ended`,
  ),
  ERR_WAKEONE_DETACHED: row('Error', (what) => `${what} after detach(): this thread has left the pool`),
  ERR_WAKEONE_WORKER_DIED: row('Error', (id, why) => `Worker ${id} died: ${why}`),
  ERR_WAKEONE_UNKNOWN_SHARED: row(
    'RangeError',
    (name) => `There is no shared memory ${name}; give a length to make it`,
  ),
  ERR_WAKEONE_SHARED_LENGTH: row(
    'RangeError',
    (name, length, received) => `Shared memory ${name} has ${length} bytes; asked for were ${received}`,
  ),
  ERR_WAKEONE_SHARED_EXHAUSTED: row(
    'RangeError',
    (name, length, why) => `There is no room for shared memory ${name} of ${length} bytes: ${why}`,
  ),
  ERR_WAKEONE_MAIN_THREAD: row(
    'Error',
    (what, instead) => `${what} would block the main thread; use ${instead}`,
  ),
  ERR_WAKEONE_LOCK_HELD: row(
    'Error',
    (what) => `${what} would wait for ever: this thread has the lock already`,
  ),
  ERR_WAKEONE_LOCK_NOT_HELD: row('Error', (what) => `${what} is only for the thread that has the lock`),
  ERR_WAKEONE_ABORTED: row('Error', (what) => `${what} was aborted`),
  ERR_WAKEONE_UNSUPPORTED: row('Error', (what) => `wakeone needs Linux with epoll: ${what}`),
};

/** An error of the library with a code of the table. Such errors are also `TypeError`s or `RangeError`s where the table says so. */
export type WakeoneError = Error & { readonly code: ErrorCode; readonly fd?: number };

function withCode(base: ErrorConstructor, code: ErrorCode, message: string, cause: unknown): WakeoneError {
  const error = new base(message, cause === undefined ? undefined : { cause });
  Object.defineProperty(error, 'code', { value: code, enumerable: true });
  Object.defineProperty(error, 'name', { value: base.name, configurable: true, writable: true });
  error.stack = error.stack?.replace(/^\w*Error/, `${base.name} [${code}]`) ?? '';
  return error as WakeoneError;
}

const BASES = { Error, TypeError, RangeError } as const;

/** Makes the error of table row `code`; `details` fill its message in the order of the row. */
export function makeError(code: ErrorCode, ...details: string[]): WakeoneError {
  return makeErrorFrom(undefined, code, ...details);
}

/** As {@link makeError}, with a `cause`. */
export function makeErrorFrom(cause: unknown, code: ErrorCode, ...details: string[]): WakeoneError {
  const { base, message } = ERROR_TABLE[code];
  return withCode(BASES[base], code, message(...details), cause);
}

/** A failed system call: `code` is the errno's name (`'EADDRINUSE'`), `errno` negative as in Node, `syscall`, and `fd` if one was involved. */
export class SystemError extends Error {
  override readonly name: string = 'SystemError';
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  declare readonly fd?: number;

  constructor(syscall: string, errno: number, fd?: number, detail?: string) {
    const code = errnoName(errno);
    super(
      `${syscall}${detail === undefined ? '' : ` ${detail}`}${fd === undefined ? '' : ` (fd ${fd})`}: ${code}`,
    );
    this.code = code;
    this.errno = -Math.abs(errno);
    this.syscall = syscall;
    if (fd !== undefined) this.fd = fd;
  }
}

const NAMES = new Map<number, string>(Object.entries(constants.errno).map(([name, value]) => [value, name]));

/** The name of an errno value, positive or negative: `'EAGAIN'`. */
export function errnoName(errno: number): string {
  return NAMES.get(Math.abs(errno)) ?? `errno ${Math.abs(errno)}`;
}

/** How a value that a caller passed is shown in a message: short, with its type. */
export function show(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
    case 'number':
    case 'bigint':
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'function':
      return `a function${value.name ? ` '${value.name}'` : ''}`;
    case 'symbol':
      return value.toString();
    case 'object':
      if (value === null) return 'null';
      if (Array.isArray(value)) return `[${value.slice(0, 5).map(show).join(', ')}]`;
      return `an instance of ${(value as { constructor?: { name?: string } }).constructor?.name ?? 'Object'}`;
  }
}
