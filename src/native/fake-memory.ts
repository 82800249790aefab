/** Native memory of the fake kernel: the same regions as libc's, with invented addresses that lead back to the bytes. */
import { Memory } from './memory.ts';

const PAGE = 4096;

export class FakeMemory extends Memory {
  readonly #buffers: { readonly base: number; readonly bytes: Uint8Array }[];

  constructor() {
    const buffers: { readonly base: number; readonly bytes: Uint8Array }[] = [];
    let next = 2 ** 32;
    super((bytes) => {
      const base = next;
      buffers.push({ base, bytes });
      // A gap behind each buffer: an address that runs over its end is nobody's.
      next += Math.ceil((bytes.byteLength + 1) / PAGE) * PAGE;
      return base;
    });
    this.#buffers = buffers;
  }

  /** The bytes at an address; undefined if they are not all of one buffer. */
  at(address: number, length: number): Uint8Array | undefined {
    for (const { base, bytes } of this.#buffers) {
      const start = address - base;
      if (start >= 0 && start + length <= bytes.length) return bytes.subarray(start, start + length);
    }
    return undefined;
  }
}
