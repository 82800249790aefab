/** A listening socket as users hold it. */
import { unlinkSync } from 'node:fs';
import type { SocketAddress } from '../native/index.ts';
import type { PoolMemory } from '../slots/memory.ts';
import type { Registration } from './registration.ts';

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
