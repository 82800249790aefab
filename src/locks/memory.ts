/** Where a lock is: the memory that a user has named, checked, as a port and an index. */
import { makeError, show } from '../errors.ts';
import { AtomicsPort } from '../sync/port.ts';

/** Shared memory, or a view of a part of it, as `pool.shared()` returns. */
export type SharedMemory = SharedArrayBuffer | ArrayBufferView<SharedArrayBuffer>;

export type Spot = { readonly port: AtomicsPort; readonly at: number };

const WORD_BYTES = Int32Array.BYTES_PER_ELEMENT;

/** One for each memory: locks over the same share it. */
const ports = new WeakMap<SharedArrayBuffer, AtomicsPort>();

/** `byteOffset` counts from the beginning of the memory, or of the view. @throws ERR_WAKEONE_INVALID_ARGUMENT */
export function spotOf(memory: SharedMemory, byteOffset: number, words: number): Spot {
  const isView = ArrayBuffer.isView(memory);
  const buffer: unknown = isView ? memory.buffer : memory;
  if (!(buffer instanceof SharedArrayBuffer))
    throw wrong('memory', 'a SharedArrayBuffer, or a view of one', isView ? buffer : memory);
  const begin = isView ? memory.byteOffset : 0;
  if (!Number.isInteger(byteOffset) || byteOffset < 0 || (begin + byteOffset) % WORD_BYTES !== 0)
    throw wrong(
      'byteOffset',
      `an integer from 0 that is at a multiple of ${WORD_BYTES} in the SharedArrayBuffer`,
      byteOffset,
    );
  const left = memory.byteLength - byteOffset;
  if (left < words * WORD_BYTES)
    throw wrong(
      'byteOffset',
      `followed by at least ${words * WORD_BYTES} bytes of memory`,
      `${byteOffset}, with ${Math.max(0, left)} bytes behind it`,
    );
  let port = ports.get(buffer);
  if (port === undefined) {
    port = new AtomicsPort(new Int32Array(buffer, 0, Math.floor(buffer.byteLength / WORD_BYTES)));
    ports.set(buffer, port);
  }
  return { port, at: (begin + byteOffset) / WORD_BYTES };
}

/** @throws ERR_WAKEONE_INVALID_ARGUMENT */
export function count(name: string, value: unknown, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw wrong(name, `an integer from 1 to ${most}`, value);
}

export function wrong(name: string, expected: string, received: unknown): Error {
  return makeError(
    'ERR_WAKEONE_INVALID_ARGUMENT',
    name,
    expected,
    typeof received === 'string' ? received : show(received),
  );
}
