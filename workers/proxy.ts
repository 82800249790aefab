/**
 * Ready-made handlers: a TCP proxy. The two sockets of a proxied connection are a group, so each of them may use the other one
 * without a lock: no handler of either runs meanwhile. The whole example proxy of the demo.
 */
import { type Connection, connect, defineHandlers, type HandlerModule } from '../src/worker.ts';

type Upstream = { readonly host: string; readonly port: number };

let upstream: Upstream;

/** What one of the two does, the other one is told. */
const relay = {
  data(connection: Connection): void {
    const [peer] = connection.peers;
    // It is gone: so is this one, in a moment.
    if (peer === undefined) return connection.consume();
    // Read no faster than the other side takes it. `drain` goes on.
    if (!peer.write(connection.input)) connection.pause();
    connection.consume();
  },
  drain(connection: Connection): void {
    connection.peers[0]?.resume();
  },
  end(connection: Connection): void {
    const [peer] = connection.peers;
    if (peer === undefined) connection.end();
    else peer.end();
  },
  /** Both sides have ended, or something failed: what is unsent is sent first, if it can be. */
  close(connection: Connection): void {
    for (const peer of connection.peers) {
      peer.resume();
      peer.end();
    }
  },
  error(connection: Connection): void {
    for (const peer of connection.peers) peer.destroy();
  },
};

const proxy: HandlerModule = defineHandlers(
  {
    client: {
      ...relay,
      open(connection) {
        const group = connection.joinGroup();
        connect({ ...upstream, handler: 'server', group, allowHalfOpen: true });
      },
    },
    server: relay,
  },
  {
    init(workerData) {
      ({ upstream } = workerData as { upstream: Upstream });
    },
  },
);

export default proxy;
