/** Calling a connection's handlers. */
import type { TimeoutKind } from '../slots/timeouts.ts';
import type { Connection } from './connection.ts';
import type { ConnectionHandlers, ConnectionMethod } from './handlers.ts';
import type { CloseReason } from './reason.ts';

/** What callHandler returns if the handler is not there. */
export const ABSENT: unique symbol = Symbol('no such handler');

/** Calls a handler if it is there. Each by its own name: a computed one would cost a slow property load per event. */
export function callHandler(
  handlers: ConnectionHandlers,
  method: ConnectionMethod,
  connection: Connection,
  argument: unknown,
): unknown {
  // The one of most calls, in a function that is small enough to be inlined.
  if (method === 'data') return handlers.data === undefined ? ABSENT : handlers.data(connection);
  return callOther(handlers, method, connection, argument);
}

function callOther(
  handlers: ConnectionHandlers,
  method: Exclude<ConnectionMethod, 'data'>,
  connection: Connection,
  argument: unknown,
): unknown {
  switch (method) {
    case 'open':
      return handlers.open === undefined ? ABSENT : handlers.open(connection);
    case 'drain':
      return handlers.drain === undefined ? ABSENT : handlers.drain(connection);
    case 'trigger':
      return handlers.trigger === undefined ? ABSENT : handlers.trigger(connection, argument as number);
    case 'timeout':
      return handlers.timeout === undefined ? ABSENT : handlers.timeout(connection, argument as TimeoutKind);
    case 'end':
      return handlers.end === undefined ? ABSENT : handlers.end(connection);
    case 'error':
      return handlers.error === undefined ? ABSENT : handlers.error(connection, argument as Error);
    case 'close':
      return handlers.close === undefined ? ABSENT : handlers.close(connection, argument as CloseReason);
  }
}
