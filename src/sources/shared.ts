/** Shared memory by name, as users ask for it. */
import { makeError, show } from '../errors.ts';
import { MOST_AREAS, MOST_NAME_BYTES, NoArea } from '../slots/areas.ts';
import type { PoolMemory } from '../slots/memory.ts';

/** What this thread has asked for: handlers ask again and again. */
const views = new WeakMap<PoolMemory, Map<string, Uint8Array<SharedArrayBuffer>>>();

/**
 * The bytes of the area `name`; made if it is not there and a length is given. Any thread.
 * @throws ERR_WAKEONE_INVALID_ARGUMENT, ERR_WAKEONE_UNKNOWN_SHARED, ERR_WAKEONE_SHARED_LENGTH, ERR_WAKEONE_SHARED_EXHAUSTED
 */
export function sharedBytes(
  memory: PoolMemory,
  name: string,
  byteLength: number | undefined,
): Uint8Array<SharedArrayBuffer> {
  const isLength = typeof byteLength === 'number' && Number.isInteger(byteLength) && byteLength >= 1;
  if (byteLength !== undefined && !isLength) throw wrong('byteLength', 'an integer from 1', byteLength);
  const known = views.get(memory)?.get(name);
  const bytes = known ?? openArea(memory, name, byteLength);
  if (byteLength !== undefined && byteLength !== bytes.byteLength)
    throw makeError('ERR_WAKEONE_SHARED_LENGTH', show(name), `${bytes.byteLength}`, show(byteLength));
  if (known === undefined) remember(memory, name, bytes);
  return bytes;
}

function openArea(
  memory: PoolMemory,
  name: unknown,
  byteLength: number | undefined,
): Uint8Array<SharedArrayBuffer> {
  const encoded = typeof name === 'string' ? Buffer.from(name) : undefined;
  if (encoded === undefined || encoded.length === 0 || encoded.length > MOST_NAME_BYTES)
    throw wrong('name', `a string of 1 to ${MOST_NAME_BYTES} bytes`, name);
  const area = memory.areas.open(encoded, byteLength);
  switch (area) {
    case NoArea.UNKNOWN:
      throw makeError('ERR_WAKEONE_UNKNOWN_SHARED', show(name));
    case NoArea.NO_BYTES:
      throw exhausted(name, byteLength, `${memory.areas.left} are left (option sharedMemory)`);
    case NoArea.NO_NAMES:
      throw exhausted(name, byteLength, `there are ${MOST_AREAS} names already`);
    default:
      return new Uint8Array(memory.buffers.shared, area.byteOffset, area.byteLength);
  }
}

function remember(memory: PoolMemory, name: string, bytes: Uint8Array<SharedArrayBuffer>): void {
  let known = views.get(memory);
  if (known === undefined) {
    known = new Map();
    views.set(memory, known);
  }
  known.set(name, bytes);
}

function wrong(name: string, expected: string, received: unknown): Error {
  return makeError('ERR_WAKEONE_INVALID_ARGUMENT', name, expected, show(received));
}

function exhausted(name: unknown, length: number | undefined, why: string): Error {
  return makeError('ERR_WAKEONE_SHARED_EXHAUSTED', show(name), `${length}`, why);
}
