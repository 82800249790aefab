/** Outgoing connections: options, addresses, and the system calls that begin one. */
import { isIP } from 'node:net';
import { makeError, SystemError } from '../errors.ts';
import { Errno, type SocketAddress } from '../native/index.ts';
import type { PoolAccess } from './access.ts';
import { checkEndpoint } from './endpoint.ts';
import { type Group, type GroupId, groupRef } from './group.ts';
import { checkNames, choice, flag, integer, invalid } from '../options.ts';
import type { HandlerEntry } from '../reactor/protocol.ts';
import { Kind, Phase, Trait } from '../slots/record.ts';
import { Ready } from '../slots/word.ts';
import { addError, checkCookie, findHandler } from './add.ts';
import { type Connecting, deadlineIn, MAX_CONNECT_MS } from './connecting.ts';
import { Registration } from './registration.ts';

export type ConnectOptions = {
  /** TCP port. */
  readonly port?: number;
  /** Address to connect to, on the main thread also a name. Default 127.0.0.1. */
  readonly host?: string;
  /** Path of an AF_UNIX socket, instead of a port. */
  readonly path?: string;
  /** Name of the handler, an object of handlers: `open` runs when the connection is there, else `error` and `close`. */
  readonly handler: string;
  /** After this time `error` is told ETIMEDOUT. 1 to 2^30 - 1; default 10,000. */
  readonly timeoutMs?: number;
  /** 64 bits of the user's, handed to the handlers. */
  readonly cookie?: bigint | number;
  /** How deliveries are disabled: 'edge' (default) needs no system call to re-arm, 'oneshot' one. */
  readonly mode?: 'edge' | 'oneshot';
  /** Whether our side stays open when the peer has ended. Default false. */
  readonly allowHalfOpen?: boolean;
  /** The group that it joins. */
  readonly group?: Group | GroupId;
};

export type ResolvedConnect = {
  readonly handler: number;
  readonly host: string;
  readonly port: number;
  readonly path: string | undefined;
  readonly timeoutMs: number;
  readonly cookie: bigint;
  readonly traits: number;
  readonly group: Group | GroupId | undefined;
};

/** What a thread connects with. */
export type Connector = PoolAccess & { readonly connecting: Connecting };

const CONNECT_NAMES: Readonly<Record<keyof ConnectOptions, true>> = {
  port: true,
  host: true,
  path: true,
  handler: true,
  timeoutMs: true,
  cookie: true,
  mode: true,
  allowHalfOpen: true,
  group: true,
};
const DEFAULT_TIMEOUT_MS = 10_000;

/** @throws ERR_WAKEONE_INVALID_OPTION, ERR_WAKEONE_UNKNOWN_HANDLER, ERR_WAKEONE_HANDLER_KIND */
export function resolveConnect(options: ConnectOptions, entries: readonly HandlerEntry[]): ResolvedConnect {
  checkNames(options, CONNECT_NAMES);
  const { host = '127.0.0.1', path } = options;
  checkEndpoint(options);
  const handler = findHandler(options.handler, entries);
  if (entries[handler]?.kind !== Kind.CONNECTION)
    throw makeError('ERR_WAKEONE_HANDLER_KIND', options.handler, 'an object of connection handlers');
  return {
    handler,
    host,
    path,
    group: options.group,
    port: integer('port', options.port, 1, 65535, () => 0),
    timeoutMs: integer('timeoutMs', options.timeoutMs, 1, MAX_CONNECT_MS, () => DEFAULT_TIMEOUT_MS),
    cookie: checkCookie(options.cookie),
    traits:
      Trait.OWN |
      Trait.STREAM |
      (path === undefined ? 0 : Trait.NOT_TCP) |
      (choice('mode', options.mode, ['edge', 'oneshot'], 'edge') === 'edge' ? Trait.EDGE : 0) |
      (flag('allowHalfOpen', options.allowHalfOpen, false) ? Trait.HALF_OPEN : 0),
  };
}

/** Where to, if that is known without asking anybody. @throws ERR_WAKEONE_INVALID_OPTION for a name */
export function addressOf({ host, port, path }: ResolvedConnect): SocketAddress {
  if (path !== undefined) return { family: 'unix', path };
  const family = isIP(host);
  if (family === 0) throw invalid('host', 'an IP address in a worker (resolve names with node:dns)', host);
  return { family: family === 6 ? 'IPv6' : 'IPv4', address: host, port };
}

/**
 * Begins to connect; the rest are turns of the connection, in the workers. A failure, even one that is known at once, is
 * told to the handlers.
 * @throws SystemError, ERR_WAKEONE_WATCH_LIMIT if there is no descriptor or memory for a socket,
 *   ERR_WAKEONE_OTHER_POOL, ERR_WAKEONE_STALE_REGISTRATION for the group; then nothing has changed
 */
export function beginConnect(
  { memory, strands, registrar, native, connecting }: Connector,
  address: SocketAddress,
  { handler, timeoutMs, cookie, traits, group: given }: ResolvedConnect,
): Registration {
  const group = groupRef(memory, strands, given);
  const fd = native.socketStream(address.family);
  if (fd < 0) throw new SystemError('socket', fd);
  if (address.family !== 'unix') native.setNoDelay(fd, true);
  let begun: number;
  do begun = native.connect(fd, address);
  while (begun === Errno.EINTR && address.family === 'unix');
  const failed = begun === 0 || begun === Errno.EINPROGRESS || begun === Errno.EINTR ? 0 : begun;
  const events = Ready.IN;
  const first = Ready.OUT;
  const index = registrar.adopt(fd, { handler, kind: Kind.CONNECTION, traits, events, first, cookie, group });
  if (index < 0) throw addError(fd, index);
  const generation = memory.slots.generation(index);
  memory.records.setConnectWord(index, failed === 0 ? deadlineIn(timeoutMs) : failed);
  memory.records.setPhase(index, Phase.CONNECTING);
  const registration = new Registration(memory, strands, index, generation);
  // From here on it may have its turns, in any worker.
  strands.handOver(index, Ready.OUT | Ready.ERR | Ready.HUP, begun !== Errno.EINPROGRESS);
  connecting.watch(index, generation);
  return registration;
}
