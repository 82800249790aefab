/** The descriptor table of the fake kernel: the lowest free number is given out, numbers below `limit` may be open. */
import { Errno } from './contract.ts';
import type { FakeFile } from './fake-files.ts';

export class FakeTable {
  /** RLIMIT_NOFILE. */
  limit: number;
  readonly #first: number;
  readonly #files = new Map<number, FakeFile>();

  constructor(first: number, limit: number) {
    this.#first = first;
    this.limit = limit;
  }

  get(fd: number): FakeFile | undefined {
    return this.#files.get(fd);
  }

  get numbers(): number[] {
    return [...this.#files.keys()].toSorted((a, b) => a - b);
  }

  get isFull(): boolean {
    return this.#lowestFree(this.#first) >= this.limit;
  }

  /** Gives `file` a number of at least `lowest`. EMFILE if there is none. */
  open(file: FakeFile, lowest: number = this.#first): number {
    const fd = this.#lowestFree(lowest);
    if (fd >= this.limit) return Errno.EMFILE;
    this.#files.set(fd, file);
    file.references++;
    return fd;
  }

  /** Frees the number; the file is released when no other number refers to it. */
  close(fd: number): FakeFile | undefined {
    const file = this.#files.get(fd);
    if (file === undefined) return undefined;
    this.#files.delete(fd);
    file.references--;
    if (file.references === 0) file.release();
    return file;
  }

  /** Makes `fd` refer to `file`; what it referred to is released as by close(). */
  replace(fd: number, file: FakeFile): number {
    file.references++;
    this.close(fd);
    this.#files.set(fd, file);
    return fd;
  }

  #lowestFree(lowest: number): number {
    let fd = lowest;
    while (this.#files.has(fd)) fd++;
    return fd;
  }
}
