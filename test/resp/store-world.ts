/** What the tests of the store share: a store with a clock that is set by hand, a sink that keeps what it gets. */
import { createMemory, type Sink, type Slice, sliceOf, Store } from '../../workers/resp/store.ts';

/** A generator that gives the same numbers for the same seed (mulberry32). */
export function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** A slice that does not begin at the start of its buffer, as those of a parser. */
export function slice(data: string | Uint8Array): Slice {
  const bytes = Buffer.from(data as Uint8Array);
  return {
    bytes: Buffer.concat([Buffer.from('*'), bytes, Buffer.from('\r\n')]),
    start: 1,
    end: 1 + bytes.length,
  };
}

/** Keeps the values that it is given. */
export class Collector implements Sink {
  bytes: Uint8Array = new Uint8Array(0);
  readonly #values: (Uint8Array | undefined)[] = [];

  value(length: number): number {
    this.bytes = new Uint8Array(length + 3);
    this.#values.push(this.bytes.subarray(3));
    return 3;
  }

  missing(): void {
    this.#values.push(undefined);
  }

  /** What has come since the last call. */
  take(): (string | undefined)[] {
    return this.#values
      .splice(0)
      .map((value) => (value === undefined ? undefined : Buffer.from(value).toString('latin1')));
  }
}

/** The API in strings. */
export class World {
  readonly memory: SharedArrayBuffer;
  readonly store: Store;
  readonly sink: Collector = new Collector();
  now = 1_700_000_000_000;

  constructor(byteLength: number) {
    this.memory = createMemory(byteLength);
    this.store = new Store(this.memory, { now: () => this.now });
  }

  get(key: string): string | undefined {
    return this.store.get(slice(key), this.sink) ? this.sink.take()[0] : undefined;
  }

  set(key: string, value: string, expiresAtMs?: number): ReturnType<Store['set']> {
    return this.store.set(slice(key), slice(Buffer.from(value, 'latin1')), expiresAtMs);
  }

  mget(...keys: string[]): (string | undefined)[] {
    this.store.mget(keys.map(slice), 0, keys.length, this.sink);
    return this.sink.take();
  }
}

export { sliceOf };
