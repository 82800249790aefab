/**
 * How much one turn of a connection may do before it goes to the tail of the queue (G8): bytes that are read, and calls of a
 * `data` that takes one message each. Given by the handlers: their author knows what a byte or a message costs.
 */
import { READ_BYTES } from './context.ts';
import type { ConnectionHandlers } from './handlers.ts';

export type Budget = {
  readonly bytes: number;
  /** Short ones too: the messages of an AF_UNIX peer may be small, and many. */
  readonly reads: number;
  /** Undefined for a `data` that takes all that is there. */
  readonly messages: number | undefined;
};

export function budgetOf({ maxBytesPerTurn = READ_BYTES, maxMessagesPerTurn }: ConnectionHandlers): Budget {
  return {
    bytes: maxBytesPerTurn,
    reads: Math.ceil(maxBytesPerTurn / READ_BYTES),
    messages: maxMessagesPerTurn,
  };
}
