/** What `pool.add` takes, checked and turned into what a slot is filled with. */
import { makeError, show, SystemError } from '../errors.ts';
import { Errno } from '../native/index.ts';
import type { PoolAccess } from './access.ts';
import { type Affinity, isSticky } from './affinity.ts';
import { type Group, type GroupId, groupRef } from './group.ts';
import { checkNames, choice, flag, invalid } from '../options.ts';
import type { HandlerEntry } from '../reactor/protocol.ts';
import { Kind, Trait } from '../slots/record.ts';
import { Flag, Ready } from '../slots/word.ts';
import { resolveLimits } from './limits.ts';
import type { Application } from './registrar.ts';
import { checkNumber, type EventName, parseEvents, Registration } from './registration.ts';

export type AddOptions = {
  /** Name of the handler: a function gets bare deliveries, an object of handlers makes the fd a connection. */
  readonly handler: string;
  /** Events to deliver. Default ['in']; connections look after this themselves. */
  readonly events?: readonly EventName[];
  /** How a delivery disables the fd. 'oneshot' (default) fits any fd; 'edge' needs no system call to re-arm. */
  readonly mode?: 'oneshot' | 'edge';
  /** 64 bits of the user's, handed to the handler. */
  readonly cookie?: bigint | number;
  /** Whether the pool closes the fd at the end ('own') or leaves it open ('borrow', the default). */
  readonly ownership?: 'own' | 'borrow';
  /** 'auto' (default) re-arms when the handler ends; 'manual' leaves that to `event.rearm()` or `registration.enable()`. */
  readonly rearm?: 'auto' | 'manual';
  /** Whether the fd is made non-blocking. Default true. */
  readonly nonBlocking?: boolean;
  /** Connections: whether our side stays open when the peer has ended. Default false. */
  readonly allowHalfOpen?: boolean;
  /** 'sticky': its handlers always run in the same worker, and may keep values in `local`. Default 'any'. */
  readonly affinity?: Affinity;
  /** The group that it joins. */
  readonly group?: Group | GroupId;
  /** Timeout 'idle': nothing was delivered, and no output taken by the kernel, for this long. Milliseconds, 1 to 2^30. */
  readonly idleTimeoutMs?: number;
  /** Connections: timeout 'read', a message has begun and has not been taken wholly within this time. */
  readonly readTimeoutMs?: number;
  /** Connections: timeout 'write', output waits and the kernel took none of it for this long. */
  readonly writeTimeoutMs?: number;
  /** Timeout 'deadline': this long after the registration, whatever happens. */
  readonly deadlineMs?: number;
};

const ADD_NAMES: Readonly<Record<keyof AddOptions, true>> = {
  handler: true,
  events: true,
  mode: true,
  cookie: true,
  ownership: true,
  rearm: true,
  nonBlocking: true,
  allowHalfOpen: true,
  affinity: true,
  group: true,
  idleTimeoutMs: true,
  readTimeoutMs: true,
  writeTimeoutMs: true,
  deadlineMs: true,
};

const COOKIE_LIMIT = 2n ** 64n;

/** @throws ERR_WAKEONE_INVALID_OPTION, ERR_WAKEONE_INVALID_EVENTS, ERR_WAKEONE_UNKNOWN_HANDLER */
export function resolveAdd(options: AddOptions, entries: readonly HandlerEntry[]): Application {
  checkNames(options, ADD_NAMES);
  const handler = findHandler(options.handler, entries);
  const kind = entries[handler]?.kind ?? Kind.RAW;
  return {
    handler,
    kind,
    limits: resolveLimits(options, kind),
    sticky: isSticky(options),
    events: options.events === undefined ? Ready.IN : parseEvents(options.events),
    cookie: checkCookie(options.cookie),
    traits:
      (choice('mode', options.mode, ['oneshot', 'edge'], 'oneshot') === 'edge' ? Trait.EDGE : 0) |
      (choice('ownership', options.ownership, ['own', 'borrow'], 'borrow') === 'own' ? Trait.OWN : 0) |
      (choice('rearm', options.rearm, ['auto', 'manual'], 'auto') === 'manual' ? Trait.MANUAL : 0) |
      (flag('allowHalfOpen', options.allowHalfOpen, false) ? Trait.HALF_OPEN : 0),
  };
}

/** What a thread registers descriptors with. */
export type Adder = PoolAccess & {
  readonly entries: readonly HandlerEntry[];
  /** Descriptors of pools: registering one would make a pool wait for itself. */
  readonly reserved: ReadonlySet<number>;
};

/** Registers a descriptor. A thread that is no worker of the pool. @throws as `pool.add()`; then nothing has changed */
export function addDescriptor(adder: Adder, fd: number, options: AddOptions): Registration {
  const { memory, strands, registrar, native } = adder;
  const resolved = resolveAdd(options, adder.entries);
  const application = { ...resolved, group: groupRef(memory, strands, options.group) };
  const nonBlocking = flag('nonBlocking', options.nonBlocking, true);
  checkFd(adder, fd);
  const result = registrar.register(fd, application);
  if (result < 0) throw addError(fd, result);
  // Not before it is certain that the fd is ours to change; its first handler starts after finish() at the earliest.
  if (nonBlocking) native.setNonBlocking(fd);
  const registration = new Registration(memory, strands, fd, memory.slots.generation(fd));
  const { events, kind } = application;
  strands.handOver(fd, events | Ready.ERR | Ready.HUP | Ready.RDHUP);
  // A connection opens now, not at its first event.
  if (kind === Kind.CONNECTION) strands.request(fd, registration.generation, Flag.CONTROL);
  return registration;
}

function checkFd({ memory, native, reserved }: Adder, fd: unknown): asserts fd is number {
  checkNumber(fd, memory);
  if (reserved.has(fd)) throw makeError('ERR_WAKEONE_FD_RESERVED', String(fd));
  if (native.statusFlags(fd) < 0) throw makeError('ERR_WAKEONE_BAD_FD', `${fd}`);
}

/** The number of a handler. @throws ERR_WAKEONE_UNKNOWN_HANDLER */
export function findHandler(name: unknown, entries: readonly HandlerEntry[]): number {
  const number = entries.findIndex((entry) => entry.name === name);
  if (number >= 0) return number;
  throw makeError('ERR_WAKEONE_UNKNOWN_HANDLER', show(name), entries.map((entry) => entry.name).join(', '));
}

/** @throws ERR_WAKEONE_INVALID_OPTION */
export function checkCookie(cookie: unknown): bigint {
  if (cookie === undefined) return 0n;
  if (typeof cookie === 'bigint' && cookie >= 0n && cookie < COOKIE_LIMIT) return cookie;
  if (typeof cookie === 'number' && Number.isSafeInteger(cookie) && cookie >= 0) return BigInt(cookie);
  throw invalid('cookie', 'an unsigned 64-bit integer', cookie);
}

/** What a failed EPOLL_CTL_ADD tells the caller. */
export function addError(fd: number, errno: number): Error {
  const text = `${fd}`;
  switch (errno) {
    case Errno.EEXIST:
      return makeError('ERR_WAKEONE_FD_IN_USE', text);
    case Errno.EPERM:
      return makeError('ERR_WAKEONE_FD_UNSUPPORTED', text);
    case Errno.EBADF:
      return makeError('ERR_WAKEONE_BAD_FD', text);
    case Errno.ELOOP:
    case Errno.EINVAL:
      return makeError('ERR_WAKEONE_FD_LOOP', text);
    case Errno.ENOSPC:
    case Errno.ENOMEM:
      return makeError('ERR_WAKEONE_WATCH_LIMIT', text);
    default:
      return new SystemError('epoll_ctl', errno, fd);
  }
}
