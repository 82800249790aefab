/** The input of a connection as its handlers see it. */
import { makeError, show } from '../errors.ts';
import type { ConnectionTurn } from './connection-turn.ts';
import { type FrameOptions, takeExactly, takeFrame, takeLine, takeUntil } from './messages.ts';

/**
 * Reads what has arrived. The messages that its methods give are views, without their framing: valid until the handler returns
 * or awaits for the first time. A method that gives undefined has taken nothing: the message is not complete, and the handler
 * returns and is called again when more has arrived.
 */
export class ConnectionInput {
  /** The descriptor's number. */
  declare readonly fd: number;
  // Declared, and set in the constructor: one of these is made for each event, and what initializes a field costs two calls.
  declare protected turn: ConnectionTurn | undefined;

  /** Made by the reactor. */
  constructor(turn: ConnectionTurn) {
    this.fd = turn.index;
    this.turn = turn;
  }

  /**
   * The unread input, without copying: a view that is valid until this handler returns or awaits for the first time. What is
   * not consumed is kept and is there again, before newer input, at the next event, in whatever worker.
   */
  get input(): Buffer {
    return this.use('input').input;
  }

  /** Bytes of unread input. */
  get inputLength(): number {
    return this.use('inputLength').inputLength;
  }

  /** Takes all unread input, or its first `maxBytes`: a copy that is the caller's to keep. Empty if there is none. */
  read(maxBytes: number = Number.POSITIVE_INFINITY): Buffer {
    const turn = this.use('read()');
    const view = turn.input;
    const count = Math.min(view.length, checkCount('maxBytes', maxBytes));
    const copy = Buffer.allocUnsafe(count);
    view.copy(copy, 0, 0, count);
    turn.consume(count);
    return copy;
  }

  /** Drops the first `bytes` of the unread input; all of it by default, or if there are fewer. */
  consume(bytes: number = Number.POSITIVE_INFINITY): void {
    this.use('consume()').consume(checkCount('bytes', bytes));
  }

  /**
   * The first `bytes` of the unread input, which stay unread; undefined if there are fewer.
   * @throws ERR_WAKEONE_INVALID_ARGUMENT
   */
  peek(bytes: number): Buffer | undefined {
    const { input } = this.use('peek()');
    return input.length < checkCount('bytes', bytes) ? undefined : input.subarray(0, bytes);
  }

  /**
   * Puts bytes back in front of the unread input. Without a copy if they were just taken.
   * @throws ERR_WAKEONE_INVALID_ARGUMENT
   */
  unread(bytes: Uint8Array): void {
    const turn = this.use('unread()');
    if (!(bytes instanceof Uint8Array))
      throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', 'bytes', 'a Uint8Array', show(bytes));
    turn.unread(bytes);
  }

  /**
   * Takes a line, without its LF or CR LF.
   * @param maxBytes the longest line that is taken; by default what the input can hold (option `maxInput`)
   * @throws ERR_WAKEONE_MESSAGE_TOO_LONG if more than that has come, ERR_WAKEONE_INVALID_ARGUMENT
   * @example
   * for (let line = connection.readLine(); line !== undefined; line = connection.readLine()) handle(line.toString());
   */
  readLine(maxBytes?: number): Buffer | undefined {
    return takeLine(this.use('readLine()'), maxBytes);
  }

  /**
   * Takes what comes before a delimiter, and the delimiter.
   * @param delimiter a byte, or some bytes, or text
   * @throws ERR_WAKEONE_MESSAGE_TOO_LONG, ERR_WAKEONE_INVALID_ARGUMENT
   */
  readUntil(delimiter: Uint8Array | string | number, maxBytes?: number): Buffer | undefined {
    return takeUntil(this.use('readUntil()'), delimiter, maxBytes);
  }

  /**
   * Takes exactly so many bytes.
   * @param bytes at most what the input can hold (option `maxInput`)
   * @throws ERR_WAKEONE_INVALID_ARGUMENT
   */
  readExactly(bytes: number): Buffer | undefined {
    return takeExactly(this.use('readExactly()'), bytes);
  }

  /**
   * Takes a frame that begins with its length.
   * @throws ERR_WAKEONE_MESSAGE_TOO_LONG, ERR_WAKEONE_BAD_FRAME for a length that counts itself and is shorter than that,
   *   ERR_WAKEONE_INVALID_ARGUMENT, ERR_WAKEONE_INVALID_OPTION
   */
  readFrame(options: FrameOptions = {}): Buffer | undefined {
    return takeFrame(this.use('readFrame()'), options);
  }

  protected use(what: string): ConnectionTurn {
    if (this.turn === undefined) throw makeError('ERR_WAKEONE_NOT_OWNER', `connection.${what}`);
    return this.turn;
  }
}

function checkCount(name: string, value: number): number {
  if (
    typeof value === 'number' &&
    value >= 0 &&
    (Number.isInteger(value) || value === Number.POSITIVE_INFINITY)
  )
    return value;
  throw makeError('ERR_WAKEONE_INVALID_ARGUMENT', name, 'a non-negative integer', show(value));
}
