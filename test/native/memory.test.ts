/**
 * Native memory: addresses that stay true. A buffer that was collected while the kernel wrote into it once corrupted the
 * heap; here the kernel writes after the collector has run.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { beforeAll, describe, expect, test } from 'vitest';
import { openNative, type Region } from '../../src/native/index.ts';
import { Memory } from '../../src/native/memory.ts';

let collect: () => void;

beforeAll(() => {
  setFlagsFromString('--expose-gc');
  collect = runInNewContext('gc') as () => void;
});

/** Garbage of the kinds that V8 keeps apart, and the collector over it. */
function pressure(): void {
  for (let round = 0; round < 5; round++) {
    const garbage: unknown[] = [];
    for (let i = 0; i < 200; i++)
      garbage.push(
        new SharedArrayBuffer(64 * 1024),
        Array.from({ length: 100 }, () => i),
      );
    garbage.length = 0;
    collect();
  }
}

describe('regions', () => {
  test('lie on 16 bytes and do not overlap', () => {
    const memory = new Memory(() => 4096);
    let end = 0;
    for (const size of [1, 16, 17, 3, 100, 4096, 5]) {
      const { address, bytes } = memory.allocate(size);
      expect(address % 16).toBe(0);
      expect(bytes).toHaveLength(size);
      expect(address).toBeGreaterThanOrEqual(end);
      end = address + size;
    }
  });

  test('a region that is larger than a chunk has one of its own', () => {
    const memory = new Memory(() => 4096);
    const small = memory.allocate(16);
    const large = memory.allocate(3 << 20);
    expect(large.bytes).toHaveLength(3 << 20);
    expect(large.bytes.buffer).not.toBe(small.bytes.buffer);
  });

  test('a buffer is adopted once', () => {
    let asked = 0;
    const memory = new Memory(() => ++asked * 4096);
    const buffer = new SharedArrayBuffer(16);
    expect(memory.adopt(buffer)).toBe(memory.adopt(buffer));
    expect(asked).toBe(1);
  });
});

describe('the kernel finds them', () => {
  const native = openNative();

  /** Lets the kernel write `value` at an address, by way of an eventfd. */
  function kernelWrites(address: number, value: number): void {
    const fd = native.eventfd();
    for (let i = 0; i < value; i++) native.signal(fd);
    expect(native.read(fd, address, 8)).toBe(8);
    native.close(fd);
  }

  test('at the same address after the collector has run', () => {
    const regions: Region[] = Array.from({ length: 100 }, () => native.memory(64));
    pressure();
    for (const [i, region] of regions.entries()) kernelWrites(region.address, (i % 5) + 1);
    pressure();
    for (const [i, region] of regions.entries()) expect(region.bytes[0]).toBe((i % 5) + 1);
  });

  test('also when nobody but the native layer remembers an adopted buffer', () => {
    const adopted: { address: number; collected: WeakRef<SharedArrayBuffer> }[] = [];
    for (let i = 0; i < 20; i++) {
      const buffer = new SharedArrayBuffer(256 * 1024);
      adopted.push({ address: native.adopt(buffer), collected: new WeakRef(buffer) });
    }
    pressure();
    for (const [i, { address, collected }] of adopted.entries()) {
      kernelWrites(address, (i % 3) + 1);
      const buffer = collected.deref();
      expect(buffer).toBeDefined();
      if (buffer !== undefined) expect(new Uint8Array(buffer)[0]).toBe((i % 3) + 1);
    }
  });
});
