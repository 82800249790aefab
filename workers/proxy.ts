/**
 * Ready-made handlers: a TCP proxy. The two sockets of a proxied connection are a group, so each of them may use the other one
 * without a lock: no handler of either runs meanwhile. The whole example proxy of the demo.
 */
import {
  type Connection,
  type ConnectionHandlers,
  connect,
  defineHandlers,
  type HandlerModule,
} from '../src/worker.ts';

/** The pool's `workerData`. */
export type ProxyData = { readonly upstream?: { readonly host: string; readonly port: number } };

let upstream: ProxyData['upstream'];

/** What one of the two does, the other one is told. */
const relay = {
  data(connection: Connection): void {
    const [peer] = connection.peers;
    // Read no faster than the other side takes it: `drain` goes on.
    if (peer?.write(connection.input) === false) connection.pause();
    connection.consume();
  },
  drain(connection: Connection): void {
    connection.peers[0]?.resume();
  },
  end(connection: Connection): void {
    // Only this direction is over. Without a peer the other one is too.
    (connection.peers[0] ?? connection).end();
  },
  /** It failed, or could not be connected: so the other one fails too. */
  error(connection: Connection): void {
    connection.peers[0]?.destroy();
  },
  /** The other one gets what is unsent, and is read to its end. */
  close(connection: Connection): void {
    const [peer] = connection.peers;
    peer?.resume();
    peer?.end();
  },
};

const handlers: Record<'proxy' | 'upstream', ConnectionHandlers> = {
  /** Accepted. */
  proxy: {
    ...relay,
    open(connection) {
      if (upstream === undefined) throw new Error('workerData.upstream is missing');
      const group = connection.joinGroup();
      connect({ ...upstream, handler: 'upstream', group, allowHalfOpen: true });
    },
  },
  /** Connected. What is written to it before is kept until it is. */
  upstream: relay,
};

const proxy: HandlerModule = defineHandlers(handlers, {
  init(workerData) {
    ({ upstream } = (workerData ?? {}) as ProxyData);
  },
});

export default proxy;
