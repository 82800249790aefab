/**
 * Ready-made handlers: a cache that speaks RESP2, the protocol of Redis, to be used by redis-cli and the usual clients. Its data
 * is in shared memory, so any worker serves any client.
 *
 * A handler takes all whole commands that have arrived and writes their replies together; what is not whole stays unread.
 */
import {
  type Connection,
  defineHandlers,
  type HandlerModule,
  type SocketAddress,
  workerId,
} from '../src/worker.ts';
import { Clients } from './resp/clients.ts';
import type { Call } from './resp/command.ts';
import { runCommand } from './resp/commands.ts';
import { Parser, ProtocolError } from './resp/parser.ts';
import { MAX_REPLY_BYTES, Reply, ReplyTooLong } from './resp/reply.ts';
import type { RespData } from './resp/setup.ts';
import { Store } from './resp/store.ts';
import { runUpkeep, startUpkeep } from './resp/upkeep.ts';

/** Replies are written as soon as they are so long: a client that does not take them is not served further. */
const WRITE_BYTES = 32 * 1024;
const MS_PER_SECOND = 1000;
const LINGER_MS = 1000;
const SLOW_LINGER_MS = 10_000;
const MOST_LINGER_MS = 60_000;

const parser = new Parser();
/** Whether the thread before this one may have died with the upkeep. */
let upkeepDue = false;
/** Undefined if the pool was not given `workerData.resp`: then nobody listens. */
let call: Call;

/** What is kept of a connection from one event to the next. */
const state = {
  /** Bytes of input without which the next command cannot be whole: one that trickles in is not parsed for each byte. */
  needed: 'u32',
} as const;
type Client = Connection<typeof state>;

/** Runs the commands that are whole, as long as the client takes their replies. */
function serve(connection: Client): void {
  const { reply, clients } = call;
  const { input } = connection;
  if (clients.idOf(connection.fd) === 0) {
    // It was refused, or has quit.
    connection.consume();
    return;
  }
  if (input.length < connection.state.needed) return;
  call.connection = connection;
  let at = 0;
  let commands = 0;
  let needed = 0;
  try {
    while (at < input.length && !call.quits) {
      if (!parser.parse(input, at)) {
        needed = parser.end - at;
        break;
      }
      at = parser.end;
      if (parser.count === 0) continue;
      call.count = parser.count;
      run(call);
      commands++;
      if (reply.length >= WRITE_BYTES && !connection.write(reply.take())) break;
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    reply.error(`ERR ${error.message}`);
    call.quits = true;
  } finally {
    connection.state.needed = needed;
    connection.consume(call.quits ? input.length : at);
    if (commands > 0) clients.heard(connection.fd, commands);
    if (reply.length > 0) connection.write(reply.take());
  }
  if (!call.quits) return;
  call.quits = false;
  clients.leave(connection.fd);
  connection.end();
  // A client that does not end too is not waited for; one that takes its replies is, for as long as it does.
  if (connection.outputLength === 0) {
    connection.deadline(LINGER_MS);
  } else {
    connection.idleTimeout(SLOW_LINGER_MS);
    connection.deadline(MOST_LINGER_MS);
  }
}

/** Runs a command. A reply that cannot be sent is an error. */
function run({ reply }: Call): void {
  reply.begin();
  try {
    runCommand(call);
  } catch (error) {
    if (!(error instanceof ReplyTooLong)) throw error;
    reply.insteadError(`ERR reply exceeds maximum allowed size (${MAX_REPLY_BYTES} bytes)`);
  }
}

function refuse(connection: Client): void {
  connection.end('-ERR max number of clients reached\r\n');
  connection.deadline(LINGER_MS);
}

/** Sets the timeout that CONFIG says. */
function applyTimeout(connection: Client): void {
  const seconds = call.clients.timeoutSeconds;
  connection.idleTimeout(seconds === 0 ? undefined : seconds * MS_PER_SECOND);
}

const textOf = (address: SocketAddress | undefined): string => {
  if (address === undefined) return '?:0';
  if (address.family === 'unix') return `${address.path}:0`;
  return address.family === 'IPv6'
    ? `[${address.address}]:${address.port}`
    : `${address.address}:${address.port}`;
};

const resp: HandlerModule = defineHandlers(
  {
    resp: {
      state,
      open(connection) {
        const { fd, remoteAddress, localAddress } = connection;
        const { generation } = connection.registration;
        if (call.clients.enter(fd, generation, textOf(remoteAddress), textOf(localAddress)) === undefined)
          refuse(connection);
        else if (call.clients.timeoutSeconds > 0) applyTimeout(connection);
        // Not in init(), where there are no timers yet.
        if (upkeepDue && call.store.expiring > 0) startUpkeep(call.clients);
        upkeepDue = false;
      },
      data: serve,
      drain: serve,
      trigger: applyTimeout,
      close(connection) {
        call.clients.leave(connection.fd);
      },
    },
    /** Of a timer: see resp/upkeep.ts. */
    respUpkeep(event) {
      runUpkeep(call.clients, call.store, Number(event.cookie));
    },
  },
  {
    dispose() {
      call?.clients.end();
    },
    init(workerData) {
      const { resp: data } = (workerData ?? {}) as { readonly resp?: RespData };
      if (data === undefined) return;
      const clients = new Clients(data.clients, workerId());
      const store = new Store(data.store);
      if (clients.begin()) {
        clients.endUpkeep();
        upkeepDue = true;
      }
      const reply = new Reply();
      call = {
        args: parser.args,
        count: 0,
        connection: undefined as never,
        reply,
        store,
        clients,
        unsafe: data.unsafe,
        quits: false,
      };
    },
  },
);

export default resp;
