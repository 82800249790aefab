/** Listening sockets: options, addresses, and the system calls that make one. */
import { lookup } from 'node:dns/promises';
import { SystemError } from '../errors.ts';
import type { Native, SocketAddress } from '../native/index.ts';
import { type Affinity, isSticky } from './affinity.ts';
import { checkEndpoint } from './endpoint.ts';
import type { Group, GroupId } from './group.ts';
import { checkNames, choice, flag, integer } from '../options.ts';
import { Kind } from '../slots/record.ts';
import type { Limits } from '../slots/timeouts.ts';
import { resolveLimits, type TimeoutOptions } from './limits.ts';

export type ListenOptions = {
  /** TCP port; 0 lets the kernel choose. */
  readonly port?: number;
  /** Address or name to listen on. Default: all addresses, IPv6 and IPv4 where the machine has both. */
  readonly host?: string;
  /** Path of an AF_UNIX socket, instead of a port. Removed when the server closes. */
  readonly path?: string;
  /** Connections that may wait to be accepted. Default 511. */
  readonly backlog?: number;
  /** Name of the handler of its connections. */
  readonly handler: string;
  /** Connections open at once; more wait in the backlog. Default: any number. */
  readonly maxConnections?: number;
  /** Whether our side stays open when the peer has ended. Default false: `end()` is called after the `end` handler. */
  readonly allowHalfOpen?: boolean;
  /** How deliveries are disabled: 'edge' (default) needs no system call to re-arm, 'oneshot' one. */
  readonly mode?: 'edge' | 'oneshot';
  /** Whether an IPv6 address takes IPv6 connections only. Default false. */
  readonly ipv6Only?: boolean;
  /** 'sticky': the handlers of each connection always run in the same worker, and may keep values in `local`. Default 'any'. */
  readonly affinity?: Affinity;
  /** Its connections join this group. */
  readonly group?: Group | GroupId;
  /** Of each connection: timeout 'idle' when nothing was received, taken by the kernel or triggered for this long. Milliseconds, 1 to 2^30. */
  readonly idleTimeoutMs?: number;
  /** Of each connection: timeout 'read' when a message has begun and has not been taken wholly within this time. */
  readonly readTimeoutMs?: number;
  /** Of each connection: timeout 'write' when output waits and the kernel took none of it for this long. */
  readonly writeTimeoutMs?: number;
  /** Of each connection: timeout 'deadline' this long after it was accepted, whatever happens. */
  readonly deadlineMs?: number;
};

export type ResolvedListenOptions = Required<
  Omit<ListenOptions, 'port' | 'host' | 'path' | 'group' | 'affinity' | keyof TimeoutOptions>
> & {
  readonly limits: Limits;
  readonly sticky: boolean;
  readonly host: string | undefined;
  readonly port: number;
  readonly path: string | undefined;
};

const LISTEN_NAMES: Readonly<Record<keyof ListenOptions, true>> = {
  port: true,
  host: true,
  path: true,
  backlog: true,
  handler: true,
  maxConnections: true,
  allowHalfOpen: true,
  mode: true,
  ipv6Only: true,
  affinity: true,
  group: true,
  idleTimeoutMs: true,
  readTimeoutMs: true,
  writeTimeoutMs: true,
  deadlineMs: true,
};

/** Checks the options of listen(). @throws ERR_WAKEONE_INVALID_OPTION */
export function resolveListenOptions(options: ListenOptions): ResolvedListenOptions {
  checkNames(options, LISTEN_NAMES);
  const { host, path } = options;
  checkEndpoint(options);
  return {
    host,
    path,
    port: integer('port', options.port, 0, 65535, () => 0),
    backlog: integer('backlog', options.backlog, 1, 2 ** 31 - 1, () => 511),
    handler: options.handler,
    maxConnections: integer('maxConnections', options.maxConnections, 1, 2 ** 20 - 1, () => 0),
    allowHalfOpen: flag('allowHalfOpen', options.allowHalfOpen, false),
    mode: choice('mode', options.mode, ['edge', 'oneshot'], 'edge'),
    ipv6Only: flag('ipv6Only', options.ipv6Only, false),
    limits: resolveLimits(options, Kind.LISTENER),
    sticky: isSticky(options),
  };
}

/** Addresses to try, in order: without a host IPv6 first (it takes IPv4 as well), then IPv4. */
export async function addressesOf(options: ResolvedListenOptions): Promise<SocketAddress[]> {
  const { path, host, port } = options;
  if (path !== undefined) return [{ family: 'unix', path }];
  if (host === undefined) {
    return [
      { family: 'IPv6', address: '::', port },
      { family: 'IPv4', address: '0.0.0.0', port },
    ];
  }
  const { address, family } = await lookup(host);
  return [{ family: family === 6 ? 'IPv6' : 'IPv4', address, port }];
}

/** Makes a listening socket on the first address that the machine has. @throws SystemError; then nothing is left open */
export function openListener(
  native: Native,
  addresses: SocketAddress[],
  options: ResolvedListenOptions,
): number {
  let failure: SystemError | undefined;
  for (const address of addresses) {
    const fd = native.socketStream(address.family);
    if (fd < 0) {
      failure = new SystemError('socket', fd);
      continue;
    }
    failure = bindAndListen(native, fd, address, options);
    if (failure === undefined) return fd;
    native.close(fd);
    if (failure.code === 'EADDRINUSE' || failure.code === 'EACCES') break;
  }
  throw failure ?? new SystemError('listen', -22);
}

function bindAndListen(
  native: Native,
  fd: number,
  address: SocketAddress,
  options: ResolvedListenOptions,
): SystemError | undefined {
  const where = address.family === 'unix' ? address.path : `${address.address}:${address.port}`;
  if (address.family !== 'unix') {
    native.setReuseAddress(fd, true);
    // Accepted sockets inherit it.
    native.setNoDelay(fd, true);
    if (address.family === 'IPv6') native.setIpv6Only(fd, options.ipv6Only);
  }
  const bound = native.bind(fd, address);
  if (bound < 0) return new SystemError('bind', bound, fd, where);
  const listening = native.listen(fd, options.backlog);
  return listening < 0 ? new SystemError('listen', listening, fd, where) : undefined;
}
