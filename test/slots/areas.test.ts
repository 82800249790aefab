/**
 * Named areas of shared memory: one name is one area for all threads, areas do not overlap, and a thread that vanishes while it
 * makes one is in nobody's way.
 */
import { describe, expect, test } from 'vitest';
import { type Area, Areas, areasByteLength, MOST_AREAS, NoArea } from '../../src/slots/areas.ts';
import { AtomicsPort, type Port } from '../../src/sync/port.ts';
import { expectFails, expectHolds } from '../explorer/explore.ts';
import { SplitPort } from '../explorer/mutants/split-port.ts';
import type { Body, Program } from '../explorer/program.ts';

const named = (name: string): Uint8Array => new TextEncoder().encode(name);

function memoryOf(bytes: number): Areas[] {
  const memory = new SharedArrayBuffer(areasByteLength(bytes));
  // As two threads see it.
  return [1, 2].map(() => new Areas(new AtomicsPort(new Int32Array(memory)), memory.byteLength));
}

describe('areas', () => {
  test('of one name are the same for all, whoever asks first', () => {
    const [here, there] = memoryOf(1024) as [Areas, Areas];
    const first = here.open(named('first'), 10);
    const second = there.open(named('second'), 100);
    expect(there.open(named('first'), 10)).toEqual(first);
    expect(here.open(named('second'), undefined)).toEqual(second);
    expect(first).toMatchObject({ byteLength: 10 });
    expect((second as Area).byteOffset - (first as Area).byteOffset).toBe(64);
    expect((first as Area).byteOffset % 64).toBe(0);
    // Whoever asks for another length is told the true one.
    expect(here.open(named('second'), 5)).toEqual(second);
  });

  test('are known by their whole names', () => {
    const [areas] = memoryOf(1 << 20) as [Areas];
    const names = [
      'a',
      'aa',
      'aaa',
      'aaaa',
      'aaaaa',
      'aaab',
      'baaa',
      'x'.repeat(63),
      'x'.repeat(64),
      '\0',
      '\0\0',
      'é',
      '中',
    ];
    const offsets = names.map((name) => (areas.open(named(name), 1) as Area).byteOffset);
    expect(new Set(offsets).size).toBe(names.length);
    expect(names.map((name) => (areas.open(named(name), undefined) as Area).byteOffset)).toEqual(offsets);
    expect(areas.open(named('aab'), undefined)).toBe(NoArea.UNKNOWN);
  });

  test('fill the memory to the last byte, and not beyond', () => {
    const [areas] = memoryOf(256) as [Areas];
    expect(areas.left).toBe(256);
    expect(areas.open(named('a'), 257)).toBe(NoArea.NO_BYTES);
    expect(areas.open(named('a'), 2 ** 40)).toBe(NoArea.NO_BYTES);
    expect(areas.open(named('a'), 65)).toMatchObject({ byteLength: 65 });
    expect(areas.left).toBe(128);
    expect(areas.open(named('b'), 129)).toBe(NoArea.NO_BYTES);
    expect(areas.open(named('b'), 128)).toMatchObject({ byteLength: 128 });
    expect(areas.open(named('c'), 1)).toBe(NoArea.NO_BYTES);
    expect(areas.open(named('a'), undefined)).toMatchObject({ byteLength: 65 });
    expect(memoryOf(0)[0]?.open(named('a'), 1)).toBe(NoArea.NO_BYTES);
  });

  test('may be as long as a memory may be', () => {
    const length = 2 ** 32 - 2 ** 12;
    const memory = new AtomicsPort(new Int32Array(new SharedArrayBuffer(areasByteLength(0))));
    const areas = new Areas(memory, areasByteLength(length));
    expect(areas.open(named('a'), length)).toMatchObject({ byteLength: length });
    expect(areas.left).toBe(0);
  });

  test('have a bounded number of names', () => {
    const [areas] = memoryOf(MOST_AREAS * 64 + 64) as [Areas];
    for (let i = 0; i < MOST_AREAS; i++)
      expect(areas.open(named(`${i}`), 1)).toMatchObject({ byteLength: 1 });
    expect(areas.open(named('one more'), 1)).toBe(NoArea.NO_NAMES);
    expect(areas.open(named('0'), 1)).toMatchObject({ byteLength: 1 });
  });
});

type Play = { readonly mortal?: boolean; readonly bytes?: number; readonly makePort?: (port: Port) => Port };

/** Threads that ask for names, one after the other; each logs where it is given. A name is as many units long as its number. */
function program(
  asked: readonly (readonly number[])[],
  { mortal = false, bytes = 1024, makePort = (port) => port }: Play = {},
): Program {
  const body =
    (names: readonly number[]): Body =>
    (port, self) => {
      const areas = new Areas(makePort(port), areasByteLength(bytes));
      for (const name of names) {
        const area = areas.open(named(`${name}`), name * 64);
        self.log(typeof area === 'string' ? -1 : area.byteOffset);
      }
      return undefined;
    };
  return {
    threads: asked.map((names, i) => ({ name: 'ABC'.charAt(i), body: body(names), mortal })),
    vanishings: mortal ? 1 : 0,
    end: (view) => {
      const areas = new Areas(view.port, areasByteLength(bytes));
      const taken: Area[] = [];
      for (const name of new Set(asked.flat())) {
        const found = areas.open(named(`${name}`), undefined);
        if (typeof found !== 'string') taken.push(found);
        for (const [i, names] of asked.entries())
          for (const [k, where] of view.log('ABC'.charAt(i)).entries())
            if (names[k] === name)
              expect(where, 'one name, one area').toBe(typeof found === 'string' ? -1 : found.byteOffset);
      }
      const sorted = taken.toSorted((a, b) => a.byteOffset - b.byteOffset);
      for (const [i, area] of sorted.entries())
        expect(area.byteOffset, 'areas do not overlap, and have no gaps').toBe(
          i === 0 ? areasByteLength(0) : (sorted[i - 1]?.byteOffset ?? 0) + (sorted[i - 1]?.byteLength ?? 0),
        );
    },
  };
}

describe('under all schedules areas', () => {
  test('of one name are one, and of several do not overlap', () => {
    expectHolds({
      ...program([
        [1, 2],
        [2, 1],
      ]),
      preemptions: 3,
    });
    expectHolds({ ...program([[1], [1], [2]]), preemptions: 3 });
  });

  test('are found by plain reads that may be old, once the newest entry was read', () => {
    expectHolds({ ...program([[1, 2], [2]]), preemptions: 2, stale: () => true });
    expectHolds({ ...program([[1], [1], [2]]), preemptions: 2, stale: () => true });
  });

  test('that fit once are given to all who ask at the same time', () => {
    expectHolds({ ...program([[3], [3], [3]], { bytes: 3 * 64 }), preemptions: 3 });
  });

  test('are made also when another thread vanishes in the middle', () => {
    expectHolds({
      ...program(
        [
          [1, 2],
          [1, 3],
        ],
        { mortal: true },
      ),
      preemptions: 2,
    });
  });

  test('would not be one, if they were published in two steps', () => {
    expectFails(
      {
        ...program([[1], [2]], { makePort: (port) => new SplitPort(port, (at) => at === 0) }),
        preemptions: 2,
      },
      /one name, one area/,
    );
  });
});
