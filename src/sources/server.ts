/** A listening socket as users hold it. */
import { unlinkSync } from 'node:fs';
import { SystemError } from '../errors.ts';
import type { SocketAddress } from '../native/index.ts';
import type { PoolMemory } from '../slots/memory.ts';
import { HOME_OF_EACH, homeTrait, Kind, Trait } from '../slots/record.ts';
import { Ready } from '../slots/word.ts';
import type { PoolAccess } from './access.ts';
import { addError } from './add.ts';
import type { ResolvedListenOptions } from './listen.ts';
import { Registration } from './registration.ts';

/** A server: its listening socket accepts connections in the workers until `close()`. */
export class Server {
  /** The listening socket's registration. */
  readonly registration: Registration;
  readonly #memory: PoolMemory;
  readonly #address: SocketAddress;
  #closing: Promise<void> | undefined;
  #removed = false;

  constructor(memory: PoolMemory, registration: Registration, address: SocketAddress) {
    this.#memory = memory;
    this.registration = registration;
    this.#address = address;
  }

  /** Where it listens, with the port that the kernel chose. Main thread; true also after close. */
  address(): SocketAddress {
    return this.#address;
  }

  /** Connections that it has accepted and that are open; 0 once it is closed. */
  get connections(): number {
    return this.registration.active ? this.#memory.records.connections(this.registration.fd) : 0;
  }

  /** Stops accepting; connections that are open go on. Resolves when the socket is closed. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.registration.teardown();
    this.removePath();
  }

  /** Removes the path of an AF_UNIX socket. The pool's, at its end. */
  removePath(): void {
    if (this.#removed || this.#address.family !== 'unix' || this.#address.path.startsWith('\0')) return;
    // Once: after that the path may be another server's.
    this.#removed = true;
    try {
      unlinkSync(this.#address.path);
    } catch {
      // Somebody else has removed it: that is what we wanted.
    }
  }
}

/**
 * Registers a listening socket. The app's thread.
 * @param group the reference of the group that its connections join
 * @throws SystemError, ERR_WAKEONE_WATCH_LIMIT; then the socket is closed
 */
export function openServer(
  { memory, strands, registrar, native }: PoolAccess,
  fd: number,
  handler: number,
  options: ResolvedListenOptions,
  group: number,
): Server {
  const address = native.localAddress(fd);
  if (typeof address === 'number') {
    native.close(fd);
    throw new SystemError('getsockname', address, fd);
  }
  const traits =
    Trait.OWN |
    (options.mode === 'edge' ? Trait.EDGE : 0) |
    (options.allowHalfOpen ? Trait.HALF_OPEN : 0) |
    (options.sticky ? homeTrait(HOME_OF_EACH) : 0) |
    (options.path === undefined ? 0 : Trait.NOT_TCP);
  const index = registrar.adopt(fd, {
    handler,
    kind: Kind.LISTENER,
    traits,
    events: Ready.IN,
    cookie: (BigInt(group >>> 0) << 32n) | BigInt(options.maxConnections),
    limits: options.limits,
  });
  if (index < 0) throw addError(fd, index);
  const registration = new Registration(memory, strands, index, memory.slots.generation(index));
  strands.handOver(index, Ready.IN);
  return new Server(memory, registration, address);
}
