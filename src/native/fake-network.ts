/** Names of the fake kernel's sockets: who is bound to which address, and how a client finds a listener. */
import { Errno, type SocketAddress } from './contract.ts';
import { type Family, StreamSocket } from './fake-sockets.ts';
import { encodeAddress, SOCKADDR_BYTES } from './sockaddr.ts';

const EAFNOSUPPORT = -97;
const ECONNREFUSED = -111;
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
  connect(address: SocketAddress): StreamSocket | number {
    const listener = this.#bound.find((socket) => isBoundTo(socket, address));
    if (listener?.listening === undefined || listener.references === 0) return ECONNREFUSED;
    const client = this.socket(address.family);
    const accepted = this.socket(address.family);
    StreamSocket.join(client, accepted);
    client.local = address.family === 'unix' ? UNNAMED : { ...address, port: this.#nextPort++ };
    client.remote = address;
    accepted.local = address;
    accepted.remote = client.local;
    return listener.enqueue(accepted) ? client : Errno.EAGAIN;
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
