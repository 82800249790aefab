/**
 * Native memory of one thread. Addresses are plain numbers, so this module is the only one that may hand them out, and
 * it keeps every buffer it has given an address of until the thread ends. (A buffer that was no longer referenced was
 * collected while the kernel wrote into it: the heap was corrupted.) SharedArrayBuffers are never moved.
 */
import type { Region } from './contract.ts';

const CHUNK_BYTES = 1 << 20;
const ALIGN = 16;

export class Memory {
  readonly #addressOf: (bytes: Uint8Array) => number;
  readonly #kept = new Map<SharedArrayBuffer, number>();
  #chunk: Uint8Array<SharedArrayBuffer> | undefined;
  #used = 0;

  constructor(addressOf: (bytes: Uint8Array) => number) {
    this.#addressOf = addressOf;
  }

  adopt(buffer: SharedArrayBuffer): number {
    const known = this.#kept.get(buffer);
    if (known !== undefined) return known;
    const address = this.#addressOf(new Uint8Array(buffer));
    this.#kept.set(buffer, address);
    return address;
  }

  allocate(byteLength: number): Region {
    const size = Math.ceil(byteLength / ALIGN) * ALIGN;
    let chunk = this.#chunk;
    if (chunk === undefined || this.#used + size > chunk.byteLength) {
      chunk = new Uint8Array(new SharedArrayBuffer(Math.max(CHUNK_BYTES, size)));
      this.#chunk = chunk;
      this.#used = 0;
    }
    const address = this.adopt(chunk.buffer) + this.#used;
    const bytes = new Uint8Array(chunk.buffer, this.#used, byteLength);
    this.#used += size;
    return { address, bytes };
  }
}
