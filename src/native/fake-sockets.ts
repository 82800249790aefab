/**
 * Stream sockets of the fake kernel, TCP and AF_UNIX. What differs between the two is what Linux does differently: an
 * AF_UNIX peer that closes shuts both directions at once, a TCP peer sends a FIN (or a RST if it left input unread), and
 * the other side learns that nobody is there only when it writes.
 */
import { Epoll, Errno, type SocketAddress, Shutdown } from './contract.ts';
import { ByteQueue, FakeFile } from './fake-files.ts';

export type Family = 'IPv4' | 'IPv6' | 'unix';

type Listening = { readonly backlog: number; readonly pending: StreamSocket[] };

export class StreamSocket extends FakeFile {
  readonly family: Family;
  readonly incoming: ByteQueue;
  local: SocketAddress | undefined;
  remote: SocketAddress | undefined;
  listening: Listening | undefined;
  /** Called while a listener has room: connects that wait for it. True: done with. */
  readonly onRoom: (() => boolean)[] = [];
  resetOnClose = false;
  /** Pending error, a negated errno; 0 for none. */
  #error = 0;
  #peer: StreamSocket | undefined;
  #connected = false;
  #connecting = false;
  /** connect() has said EINPROGRESS, and nothing since. */
  #toldPending = false;
  /** A connect failed: as a socket that was shut down. */
  #refused = false;
  #receiveShut = false;
  #sendShut = false;
  /** A FIN came: reading never tells an error after it. */
  #finished = false;
  /** No descriptor refers to it any more. */
  #released = false;
  /** A write came short: the peer's reading is to wake us. */
  #noSpace = false;

  constructor(family: Family, capacity: number) {
    super();
    this.family = family;
    this.incoming = new ByteQueue(capacity);
  }

  get isTcp(): boolean {
    return this.family !== 'unix';
  }

  get isConnected(): boolean {
    return this.#connected;
  }

  get isConnecting(): boolean {
    return this.#connecting;
  }

  /** SYN sent. */
  beginConnect(): void {
    this.#connecting = true;
    this.#toldPending = true;
    this.#refused = false;
  }

  /** RST in place of an answer. */
  refuse(): void {
    this.#connecting = false;
    this.#refused = true;
    this.#error = Errno.ECONNREFUSED;
    this.wake(0);
  }

  /** Whether a connect() that was under way is told its success now, which happens once. */
  tellConnected(): boolean {
    const told = this.#toldPending;
    this.#toldPending = false;
    return told;
  }

  /** Makes two sockets each other's peer. */
  static join(one: StreamSocket, other: StreamSocket): void {
    one.#connecting = false;
    one.#peer = other;
    other.#peer = one;
    one.#connected = true;
    other.#connected = true;
  }

  listen(backlog: number): number {
    if (this.#connected || this.local === undefined) return Errno.EINVAL;
    this.listening = { backlog, pending: this.listening?.pending ?? [] };
    return 0;
  }

  /** A connection for this listening socket. False if its backlog is full: Linux lets one more wait than was asked for. */
  enqueue(accepted: StreamSocket): boolean {
    const listening = this.listening;
    if (listening === undefined || listening.pending.length > listening.backlog) return false;
    listening.pending.push(accepted);
    this.wake(Epoll.IN);
    return true;
  }

  accept(): StreamSocket | number {
    if (this.listening === undefined) return Errno.EINVAL;
    const accepted = this.listening.pending.shift();
    if (accepted === undefined) return Errno.EAGAIN;
    while (this.onRoom.length > 0 && this.onRoom[0]?.() === true) this.onRoom.shift();
    return accepted;
  }

  ready(): number {
    if (this.listening !== undefined) return this.listening.pending.length > 0 ? Epoll.IN : 0;
    if (this.#connecting) return 0;
    if (!this.#connected) {
      const failed = Epoll.IN | Epoll.RDHUP | (this.#error === 0 ? 0 : Epoll.ERR);
      return Epoll.OUT | Epoll.HUP | (this.#refused ? failed : 0);
    }
    let bits = this.#error === 0 ? 0 : Epoll.ERR;
    if (this.#receiveShut && this.#sendShut) bits |= Epoll.HUP;
    if (this.#receiveShut) bits |= Epoll.IN | Epoll.RDHUP;
    if (this.incoming.length > 0) bits |= Epoll.IN;
    if (this.#sendShut || this.#hasSpace) bits |= Epoll.OUT;
    else this.#noSpace = true;
    return bits;
  }

  override read(into: Uint8Array): number {
    if (this.#connecting) return Errno.EAGAIN;
    if (!this.#connected && this.#error !== 0) return this.takeError();
    if (!this.#connected && this.#refused) return 0;
    if (!this.#connected) return this.isTcp ? Errno.ENOTCONN : Errno.EINVAL;
    if (into.length === 0) return 0;
    if (this.incoming.length > 0) {
      const count = this.incoming.take(into);
      this.#peer?.spaceCame();
      return count;
    }
    if (this.isTcp && this.#finished) return 0;
    if (this.#error !== 0) return this.takeError();
    return this.#receiveShut ? 0 : Errno.EAGAIN;
  }

  override write(from: Uint8Array): number {
    const peer = this.#peer;
    if (this.#connecting) return Errno.EAGAIN;
    if (!this.#connected && this.#error !== 0) return this.takeError();
    if (!this.#connected || peer === undefined) return this.isTcp ? Errno.EPIPE : Errno.ENOTCONN;
    if (this.isTcp && this.#error !== 0) return this.takeError();
    if (this.#sendShut) return Errno.EPIPE;
    if (peer.#released) {
      // The kernel takes the bytes; what comes back is a RST.
      this.#reset();
      return from.length;
    }
    if (from.length === 0) return 0;
    const count = peer.incoming.push(from);
    if (count < from.length) this.#noSpace = true;
    if (count === 0) return Errno.EAGAIN;
    peer.wake(Epoll.IN);
    return count;
  }

  shutdown(how: number): number {
    const peer = this.#peer;
    const over = this.isTcp && this.#sendShut && this.#receiveShut;
    // AF_UNIX lets an unconnected socket be shut down, to no purpose.
    if (peer === undefined && !this.isTcp) return 0;
    if (peer === undefined || over) return Errno.ENOTCONN;
    if (how !== Shutdown.READ && !this.#sendShut) {
      this.#sendShut = true;
      peer.#finCame();
    }
    if (how !== Shutdown.WRITE) {
      this.#receiveShut = true;
      if (!this.isTcp) peer.#sendShut = true;
    }
    this.wake(0);
    return 0;
  }

  /** Takes the pending error: a negated errno, 0 for none. */
  takeError(): number {
    const error = this.#error;
    this.#error = 0;
    return error;
  }

  /** The peer has read. */
  spaceCame(): void {
    if (!this.#noSpace || !this.#hasSpace) return;
    this.#noSpace = false;
    this.wake(Epoll.OUT);
  }

  override release(): void {
    super.release();
    this.#released = true;
    for (const pending of this.listening?.pending ?? []) pending.#abandon();
    const peer = this.#peer;
    if (peer === undefined || peer.#released) return;
    const unread = this.incoming.length > 0;
    if (!this.isTcp) {
      peer.#receiveShut = true;
      peer.#sendShut = true;
      if (unread) peer.#error = Errno.ECONNRESET;
      peer.wake(0);
    } else if (unread || this.resetOnClose) {
      peer.#reset();
    } else if (!this.#sendShut) {
      peer.#finCame();
    }
  }

  /** A third of the buffer must be free, as in the kernel. */
  get #hasSpace(): boolean {
    const incoming = this.#peer?.incoming;
    return incoming === undefined || incoming.room * 3 >= incoming.capacity;
  }

  /** It waited in a backlog whose socket was closed. */
  #abandon(): void {
    this.#released = true;
    const peer = this.#peer;
    if (peer === undefined || peer.#released) return;
    if (this.isTcp) {
      peer.#reset();
      return;
    }
    peer.#receiveShut = true;
    peer.#sendShut = true;
    peer.#error = Errno.ECONNRESET;
    peer.wake(0);
  }

  #finCame(): void {
    this.#receiveShut = true;
    this.#finished = true;
    this.wake(0);
  }

  #reset(): void {
    this.#error = this.#finished ? Errno.EPIPE : Errno.ECONNRESET;
    this.#receiveShut = true;
    this.#sendShut = true;
    this.wake(0);
  }
}
