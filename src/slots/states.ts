/**
 * The state that handlers declare: a record for each slot, in a SharedArrayBuffer of its own. The handlers are known only to
 * the workers, which load them when all memory is made. So the pool's maker reserves room for the largest records that
 * there may be, which costs address space and nothing else, and each worker that has loaded the handlers makes it as long
 * as they need, before it says that it is ready. Nobody waits for anybody: all of them do the same, whoever is first.
 *
 *     word 0       what is declared, as a hash, never 0 then       each worker, by CAS, before all other words
 *     word 1       bytes of a slot's place, 0 if nothing is declared: the largest record, in whole lines
 *     word 2       bytes of a group's record
 *     word 3..     bytes of the records of each handler, by its number
 *     then         the places, one a slot, each beginning a line
 *
 * A place is in lines of its own: two workers that write to the records of two neighbours would otherwise take the line
 * from each other at each turn. Only places of slots that are used by such handlers are ever touched.
 *
 * A record is written and read by the owner of the slot alone, while that is ACTIVE or CLOSING, so plain access will do: the
 * CAS that finishes a turn publishes what was written in it, and pairs with that of the next turn's claim (slots/table.ts).
 * A group's record is that of the owner of the group. The registrar zeroes a record while it is the owner; nothing has to be
 * given back at the end, so a thread that vanishes leaves nothing to repair.
 */
import { AtomicsPort } from '../sync/port.ts';
import { Kind, MAX_HANDLERS } from './record.ts';

/** Bytes of a record at most: offsets of all records of the largest pool are below 2^31. */
export const MAX_STATE_BYTES = 1024;
const LINE_BYTES = 64;

const Header = { DECLARED: 0, PLACE_BYTES: 1, GROUP_BYTES: 2, HANDLER_BYTES: 3 } as const;
const HEADER_BYTES = inLines((Header.HANDLER_BYTES + MAX_HANDLERS) * Int32Array.BYTES_PER_ELEMENT);

/** What the handlers of a module declare, in bytes. */
export type StateSizes = {
  /** A hash of all names and types. */
  readonly hash: number;
  readonly group: number;
  /** By number. */
  readonly handlers: readonly number[];
};

/** Makes the memory of the states of so many slots: no longer than its header, and growable. */
export function reserveStates(slotCount: number): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER_BYTES, { maxByteLength: HEADER_BYTES + slotCount * MAX_STATE_BYTES });
}

export class States {
  readonly buffer: SharedArrayBuffer;
  readonly #header: AtomicsPort;
  readonly #slotCount: number;
  /** Over the whole memory, from when it has its length. */
  #doubles: Float64Array<SharedArrayBuffer> | undefined;

  constructor(buffer: SharedArrayBuffer, slotCount: number) {
    this.buffer = buffer;
    // With a length: views that follow the buffer's are slower.
    this.#header = new AtomicsPort(new Int32Array(buffer, 0, HEADER_BYTES / Int32Array.BYTES_PER_ELEMENT));
    this.#slotCount = slotCount;
  }

  /**
   * Makes room for these records. A worker, before it registers or runs anything. False if another worker has declared
   * something else.
   */
  declare({ hash, group, handlers }: StateSizes): boolean {
    const header = this.#header;
    const before = header.compareExchange(Header.DECLARED, 0, hash);
    if (before !== 0 && before !== hash) return false;
    const place = inLines(Math.max(group, ...handlers));
    const length = HEADER_BYTES + this.#slotCount * place;
    // Who comes second finds it grown, or grows it to what it is.
    if (this.buffer.byteLength < length) this.buffer.grow(length);
    for (const [number, bytes] of handlers.entries()) header.store(Header.HANDLER_BYTES + number, bytes);
    header.store(Header.GROUP_BYTES, group);
    header.store(Header.PLACE_BYTES, place);
    return true;
  }

  /** Zeroes the record of a slot that is registered with this handler. Registrar. */
  begin(index: number, kind: Kind, handler: number): void {
    const bytes = this.#bytesOf(kind, handler);
    if (bytes === 0) return;
    this.#doubles ??= new Float64Array(
      this.buffer,
      0,
      this.buffer.byteLength / Float64Array.BYTES_PER_ELEMENT,
    );
    const from = this.offset(index) / Float64Array.BYTES_PER_ELEMENT;
    this.#doubles.fill(0, from, from + Math.ceil(bytes / Float64Array.BYTES_PER_ELEMENT));
  }

  /** Where the record of a slot begins, in bytes: a multiple of 64, never 0. */
  offset(index: number): number {
    return HEADER_BYTES + index * this.#header.peek(Header.PLACE_BYTES);
  }

  /** A plain read: the workers have told the app's thread that they are ready, after they declared it, or this is one of them. */
  #bytesOf(kind: Kind, handler: number): number {
    // A listener has the number of its connections' handler, and no handler of its own.
    if (kind === Kind.LISTENER) return 0;
    return this.#header.peek(kind === Kind.GROUP ? Header.GROUP_BYTES : Header.HANDLER_BYTES + handler);
  }
}

function inLines(bytes: number): number {
  return Math.ceil(bytes / LINE_BYTES) * LINE_BYTES;
}
