/**
 * Named areas of shared memory: who asks first for a name makes the area, all others get the same one, without waiting for
 * anybody. They come from one SharedArrayBuffer of `sharedMemory` bytes, which costs nothing until it is touched, and stay
 * as long as the pool's memory does.
 *
 *     word 0        the newest entry, 0 none; the others follow from it        by CAS
 *     word 16       entries that were given out                                by add
 *     then          1024 entries of 32 words
 *     then          the areas, one behind the other, each from a multiple of 64 bytes
 *
 * An entry: { next, first unit of 64 bytes, length in bytes, length of the name, name: 16 words }; written by who was given it,
 * before it is published, and never again.
 *
 * A1  An entry is published by the CAS that makes it the newest. Its area begins where that of the newest one before it
 *     ends, and that one is known for certain to be the newest when the CAS succeeds. So areas do not overlap, and a name
 *     is looked for among all entries before it is published.
 * A2  A thread that vanishes leaves at most an entry that nobody sees. One whose CAS failed because another thread has
 *     published the same name keeps its entry for the next name.
 */
import type { Port } from '../sync/port.ts';

const NEWEST = 0;
const GIVEN = 16;
const ENTRIES = 32;
export const MOST_AREAS = 1024;
const ENTRY_WORDS = 32;
const EntryWord = { NEXT: 0, START: 1, LENGTH: 2, NAME_LENGTH: 3, NAME: 4 } as const;
export const MOST_NAME_BYTES = 64;
const UNIT_BYTES = 64;
const AREAS_BYTES = (ENTRIES + MOST_AREAS * ENTRY_WORDS) * 4;

/** Bytes of a memory with room for `bytes` bytes of areas. */
export const areasByteLength = (bytes: number): number => AREAS_BYTES + unitsOf(bytes) * UNIT_BYTES;

const unitsOf = (bytes: number): number => Math.ceil(bytes / UNIT_BYTES);

export type Area = { readonly byteOffset: number; readonly byteLength: number };

export const NoArea = { UNKNOWN: 'unknown', NO_NAMES: 'no names', NO_BYTES: 'no bytes' } as const;
export type NoArea = (typeof NoArea)[keyof typeof NoArea];

export class Areas {
  readonly #port: Port;
  readonly #units: number;
  /** An entry that was given out and not published. */
  #spare = 0;

  /** `byteLength` is that of the whole memory. */
  constructor(port: Port, byteLength: number) {
    this.#port = port;
    this.#units = Math.floor((byteLength - AREAS_BYTES) / UNIT_BYTES);
  }

  /** The area of a name; without a length only if it is there. Its own length may be another one. Any thread. */
  open(name: Uint8Array, byteLength: number | undefined): Area | NoArea {
    const port = this.#port;
    let newest = port.load(NEWEST);
    for (let looked = 0; ;) {
      const found = this.#find(name, newest, looked);
      if (found !== 0) return this.#areaOf(found);
      if (byteLength === undefined) return NoArea.UNKNOWN;
      const start = newest === 0 ? 0 : this.#endOf(newest);
      if (start + unitsOf(byteLength) > this.#units) return NoArea.NO_BYTES;
      const entry = this.#take();
      if (entry === 0) return NoArea.NO_NAMES;
      this.#write(entry, newest, start, byteLength, name);
      // Publishes the entry; pairs with the loads of the newest one in here.
      const seen = port.compareExchange(NEWEST, newest, entry);
      if (seen === newest) {
        this.#spare = 0;
        return this.#areaOf(entry);
      }
      looked = newest;
      newest = seen;
    }
  }

  /** Bytes that are left. Any thread; others may take them meanwhile. */
  get left(): number {
    const newest = this.#port.load(NEWEST);
    return (this.#units - (newest === 0 ? 0 : this.#endOf(newest))) * UNIT_BYTES;
  }

  /** Looks through the entries from `newest` on, up to `end`, which was looked at before. */
  #find(name: Uint8Array, newest: number, end: number): number {
    // Plain reads: a published entry never changes.
    for (let entry = newest; entry !== end; entry = this.#port.peek(at(entry, EntryWord.NEXT)))
      if (this.#isNamed(entry, name)) return entry;
    return 0;
  }

  #isNamed(entry: number, name: Uint8Array): boolean {
    if (this.#port.peek(at(entry, EntryWord.NAME_LENGTH)) !== name.length) return false;
    for (let i = 0; i < name.length; i += 4)
      if (this.#port.peek(at(entry, EntryWord.NAME) + i / 4) !== wordOf(name, i)) return false;
    return true;
  }

  #take(): number {
    if (this.#spare !== 0) return this.#spare;
    // The look keeps the count from wrapping.
    if (this.#port.load(GIVEN) >= MOST_AREAS) return 0;
    const given = this.#port.add(GIVEN, 1);
    if (given >= MOST_AREAS) return 0;
    this.#spare = given + 1;
    return this.#spare;
  }

  #write(entry: number, next: number, start: number, byteLength: number, name: Uint8Array): void {
    const port = this.#port;
    port.store(at(entry, EntryWord.NEXT), next);
    port.store(at(entry, EntryWord.START), start);
    port.store(at(entry, EntryWord.LENGTH), byteLength | 0);
    port.store(at(entry, EntryWord.NAME_LENGTH), name.length);
    for (let i = 0; i < name.length; i += 4) port.store(at(entry, EntryWord.NAME) + i / 4, wordOf(name, i));
  }

  #areaOf(entry: number): Area {
    const start = this.#port.peek(at(entry, EntryWord.START));
    return {
      byteOffset: AREAS_BYTES + start * UNIT_BYTES,
      byteLength: this.#port.peek(at(entry, EntryWord.LENGTH)) >>> 0,
    };
  }

  #endOf(entry: number): number {
    const length = this.#port.peek(at(entry, EntryWord.LENGTH)) >>> 0;
    return this.#port.peek(at(entry, EntryWord.START)) + unitsOf(length);
  }
}

/** Entries count from 1. */
const at = (entry: number, word: number): number => ENTRIES + (entry - 1) * ENTRY_WORDS + word;

/** Four bytes of a name, filled up with zeros. */
const wordOf = (name: Uint8Array, i: number): number =>
  (name[i] ?? 0) | ((name[i + 1] ?? 0) << 8) | ((name[i + 2] ?? 0) << 16) | ((name[i + 3] ?? 0) << 24);
