/** Names of the fake kernel's sockets: who is bound to which address, and how a client finds a listener. */
import { Errno, type SocketAddress } from './contract.ts';
import { type Family, StreamSocket } from './fake-sockets.ts';
import { encodeAddress, SOCKADDR_BYTES } from './sockaddr.ts';

const EAFNOSUPPORT = -97;
const FIRST_PORT = 40_000;
const UNNAMED: SocketAddress = { family: 'unix', path: '' };

export class FakeNetwork {
  readonly #capacity: number;
  readonly #bound: StreamSocket[] = [];
  #nextPort = FIRST_PORT;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  socket(family: Family): StreamSocket {
    return new StreamSocket(family, this.#capacity);
  }

  pair(): [StreamSocket, StreamSocket] {
    const pair: [StreamSocket, StreamSocket] = [this.socket('unix'), this.socket('unix')];
    StreamSocket.join(...pair);
    return pair;
  }

  bind(socket: StreamSocket, address: SocketAddress): number {
    const valid = encodeAddress(new Uint8Array(SOCKADDR_BYTES), address) !== undefined;
    if (!valid || socket.local !== undefined) return Errno.EINVAL;
    if (socket.family !== address.family) return EAFNOSUPPORT;
    if (this.#bound.some((other) => isBoundTo(other, address))) return Errno.EADDRINUSE;
    const chosen = address.family !== 'unix' && address.port === 0;
    socket.local = chosen ? { ...address, port: this.#nextPort++ } : address;
    this.#bound.push(socket);
    return 0;
  }

  /** A TCP socket without an address is given one. */
  listen(socket: StreamSocket, backlog: number): number {
    if (socket.isTcp && socket.local === undefined) this.bind(socket, this.localAddress(socket));
    return socket.listen(backlog);
  }

  /** A connected client whose other end waits in the listener's backlog; or a negated errno. */
  client(address: SocketAddress): StreamSocket | number {
    const listener = this.#listener(address);
    if (listener === undefined) return Errno.ECONNREFUSED;
    const client = this.socket(address.family);
    return this.#establish(client, listener, address) ? client : Errno.EAGAIN;
  }

  /** AF_UNIX answers at once; TCP later, and not at all while the backlog is full. */
  connect(socket: StreamSocket, address: SocketAddress): number {
    if (socket.listening !== undefined) return socket.isTcp ? Errno.EISCONN : Errno.EINVAL;
    if (encodeAddress(new Uint8Array(SOCKADDR_BYTES), address) === undefined) return Errno.EINVAL;
    if (socket.isConnected) return socket.tellConnected() ? 0 : Errno.EISCONN;
    if (socket.family !== address.family) return socket.isTcp ? EAFNOSUPPORT : Errno.EINVAL;
    const listener = this.#listener(address);
    if (!socket.isTcp) {
      if (listener === undefined) return this.#isTaken(address) ? Errno.ECONNREFUSED : Errno.ENOENT;
      return this.#establish(socket, listener, address) ? 0 : Errno.EAGAIN;
    }
    if (socket.isConnecting) return Errno.EALREADY;
    const failed = socket.takeError();
    if (failed !== 0) return failed;
    socket.beginConnect();
    if (listener === undefined) socket.refuse();
    else if (!this.#establish(socket, listener, address))
      listener.onRoom.push(() => !socket.isConnecting || this.#establish(socket, listener, address));
    return Errno.EINPROGRESS;
  }

  #listener(address: SocketAddress): StreamSocket | undefined {
    const listener = this.#bound.find((socket) => isBoundTo(socket, address));
    return listener?.listening === undefined || listener.references === 0 ? undefined : listener;
  }

  /** Whether there is such a path, with or without somebody behind it. */
  #isTaken(address: SocketAddress): boolean {
    return this.#bound.some((socket) => isBoundTo(socket, address));
  }

  #establish(client: StreamSocket, listener: StreamSocket, address: SocketAddress): boolean {
    const accepted = this.socket(address.family);
    accepted.local = address;
    accepted.remote = client.local ?? this.#clientName(address);
    if (!listener.enqueue(accepted)) return false;
    client.local = accepted.remote;
    client.remote = address;
    StreamSocket.join(client, accepted);
    client.wake(0);
    return true;
  }

  #clientName(address: SocketAddress): SocketAddress {
    return address.family === 'unix' ? UNNAMED : { ...address, port: this.#nextPort++ };
  }

  /** Its last descriptor was closed. The path of an AF_UNIX socket stays taken until somebody removes it. */
  forget(socket: StreamSocket): void {
    const at = socket.isTcp ? this.#bound.indexOf(socket) : -1;
    if (at >= 0) this.#bound.splice(at, 1);
  }

  localAddress({ family, local }: StreamSocket): SocketAddress {
    if (local !== undefined) return local;
    return family === 'unix' ? UNNAMED : { family, address: family === 'IPv4' ? '0.0.0.0' : '::', port: 0 };
  }

  peerAddress({ isConnected, remote }: StreamSocket): SocketAddress | number {
    return isConnected ? (remote ?? UNNAMED) : Errno.ENOTCONN;
  }
}

function isBoundTo({ local }: StreamSocket, address: SocketAddress): boolean {
  if (local === undefined || local.family === 'unix' || address.family === 'unix') {
    return local?.family === 'unix' && address.family === 'unix' && local.path === address.path;
  }
  return local.port === address.port;
}
