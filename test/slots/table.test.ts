/**
 * The slot table, used by one thread: each method's outcome says what the caller must do. All interleavings are in
 * slot-explorations.test.ts. Scenarios 2, 3, 14, 20, 34, 37, 78, 89.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { Layout, SlotWord } from '../../src/slots/layout.ts';
import { Outcome, SlotTable } from '../../src/slots/table.ts';
import { Flag, flagsOf, generationOf, pack, Ready, readyOf, State } from '../../src/slots/word.ts';
import { AtomicsPort } from '../../src/sync/port.ts';

const SLOT = 2;
const ME = 1;
const OTHER = 2;
const SUPERVISOR = 63;
const { DONE, PUSH, REFUSED } = Outcome;

const layout = new Layout(4, 8);
let port: AtomicsPort;
let table: SlotTable;

beforeEach(() => {
  port = new AtomicsPort(new Int32Array(new SharedArrayBuffer(layout.byteLength)));
  table = new SlotTable(port, layout);
});

const arm = (): void => {
  expect(table.register(SLOT, ME)).toBe(true);
  expect(table.finish(SLOT, ME, 0, Ready.IN, false)).toBe(DONE);
};
const end = (me: number): void => {
  expect(table.close(SLOT, me)).toBe(true);
  table.endGeneration(SLOT);
  table.free(SLOT, me);
};

describe('a registration', () => {
  test('is made once; a second one leaves it untouched', () => {
    arm();
    const word = table.word(SLOT);
    expect(table.register(SLOT, OTHER)).toBe(false);
    expect(table.word(SLOT)).toBe(word);
    expect(table.count).toBe(4);
  });

  test('touches its own slot only', () => {
    arm();
    for (const index of [0, 1, 3]) expect(table.word(index)).toBe(0);
  });

  test('goes the whole way from armed to free, and the slot can be had again', () => {
    arm();
    expect(table.isLive(SLOT, 0)).toBe(true);
    expect(table.deliver(SLOT, 0, Ready.IN)).toBe(PUSH);
    const claimed = table.claim(SLOT, OTHER);
    expect(readyOf(claimed)).toBe(Ready.IN);
    expect(table.ownerOf(SLOT, 0)).toBe(OTHER);
    end(OTHER);
    expect(table.state(SLOT)).toBe(State.FREE);
    expect(table.generation(SLOT)).toBe(1);
    expect(table.isLive(SLOT, 0)).toBe(false);
    expect(table.isLive(SLOT, 1)).toBe(false);
    arm();
    expect(table.isLive(SLOT, 1)).toBe(true);
  });

  test('is told to be asked exactly while a flag of its own waits', () => {
    const isAsked = (generation: number): boolean => table.isAsked(SLOT, generation, Flag.USER);
    arm();
    expect([table.isOf(SLOT, 0), table.isOf(SLOT, 0x2000), isAsked(0)]).toEqual([true, false, false]);
    table.request(SLOT, 0, Flag.CONTROL);
    expect(isAsked(0)).toBe(false);
    table.request(SLOT, 0, Flag.USER);
    expect([isAsked(0), isAsked(1)]).toEqual([true, false]);
    table.claim(SLOT, ME);
    expect(isAsked(0)).toBe(false);
    table.request(SLOT, 0, Flag.USER);
    expect(isAsked(0)).toBe(true);
    end(ME);
    expect([isAsked(0), table.isOf(SLOT, 0), table.isOf(SLOT, 1)]).toEqual([false, false, true]);
  });

  test('goes on when its generation passes the 13 bits of the word', () => {
    port.store(layout.slot(SLOT) + SlotWord.GENERATION, 0x1fff);
    port.store(layout.slot(SLOT) + SlotWord.WORD, pack(0x1fff, 0, 0, 0, State.FREE));
    arm();
    expect(table.deliver(SLOT, 0x1fff, Ready.IN)).toBe(PUSH);
    table.claim(SLOT, ME);
    end(ME);
    expect(generationOf(table.word(SLOT))).toBe(0);
    expect(table.generation(SLOT)).toBe(0x2000);
    arm();
    // 0 has the same 13 bits as 0x2000, but is not the generation.
    expect(table.deliver(SLOT, 0, Ready.IN)).toBe(REFUSED);
    expect(table.request(SLOT, 0, Flag.FORCED)).toBe(REFUSED);
    expect(table.isLive(SLOT, 0)).toBe(false);
    expect(table.deliver(SLOT, 0x2000, Ready.IN)).toBe(PUSH);
  });
});

describe('a delivery', () => {
  beforeEach(arm);

  test('asks for one hint, and later ones are added to the same turn', () => {
    expect(table.deliver(SLOT, 0, Ready.IN)).toBe(PUSH);
    expect(table.deliver(SLOT, 0, Ready.OUT)).toBe(DONE);
    expect(table.deliver(SLOT, 0, Ready.OUT)).toBe(DONE);
    expect(readyOf(table.claim(SLOT, ME))).toBe(Ready.IN | Ready.OUT);
  });

  test('of another generation is refused', () => {
    expect(table.deliver(SLOT, 1, Ready.IN)).toBe(REFUSED);
    expect(table.deliver(SLOT, -1, Ready.IN)).toBe(REFUSED);
    expect(table.state(SLOT)).toBe(State.ARMED);
  });

  test('during a turn waits for its end, and is given back then', () => {
    table.deliver(SLOT, 0, Ready.IN);
    table.claim(SLOT, ME);
    expect(table.deliver(SLOT, 0, Ready.IN)).toBe(DONE);
    expect(table.finish(SLOT, ME, 0, Ready.IN, false)).toBe(PUSH);
  });

  test('that nobody wants is kept, and asks for no turn twice', () => {
    table.deliver(SLOT, 0, Ready.OUT);
    table.claim(SLOT, ME);
    expect(table.finish(SLOT, ME, Ready.OUT, Ready.IN, false)).toBe(DONE);
    expect(table.deliver(SLOT, 0, Ready.OUT)).toBe(DONE);
    expect(table.state(SLOT)).toBe(State.ARMED);
  });

  test('to a slot that is closing or free is refused', () => {
    table.deliver(SLOT, 0, Ready.IN);
    table.claim(SLOT, ME);
    table.close(SLOT, ME);
    expect(table.deliver(SLOT, 0, Ready.IN)).toBe(REFUSED);
    expect(table.request(SLOT, 0, Flag.FORCED)).toBe(REFUSED);
    table.endGeneration(SLOT);
    table.free(SLOT, ME);
    expect(table.deliver(SLOT, 0, Ready.IN)).toBe(REFUSED);
    expect(table.deliver(SLOT, 1, Ready.IN)).toBe(REFUSED);
  });
});

describe('a turn', () => {
  beforeEach(arm);

  test('is given to one claimer; any other hint is void', () => {
    expect(table.claim(SLOT, ME)).toBe(0);
    table.deliver(SLOT, 0, Ready.IN);
    expect(table.claim(SLOT, ME)).not.toBe(0);
    expect(table.claim(SLOT, OTHER)).toBe(0);
  });

  test('is ended by its owner only', () => {
    table.deliver(SLOT, 0, Ready.IN);
    table.claim(SLOT, ME);
    expect(table.finish(SLOT, OTHER, 0, 0, false)).toBe(REFUSED);
    expect(table.close(SLOT, OTHER)).toBe(false);
    expect(table.finish(SLOT, ME, 0, 0, false)).toBe(DONE);
    expect(table.finish(SLOT, ME, 0, 0, false)).toBe(REFUSED);
  });

  test('that leaves something wanted is followed by another', () => {
    table.deliver(SLOT, 0, Ready.IN);
    table.claim(SLOT, ME);
    expect(table.finish(SLOT, ME, Ready.IN, Ready.IN, false)).toBe(PUSH);
  });

  test('that ends silent is followed by none until somebody asks', () => {
    table.deliver(SLOT, 0, Ready.IN);
    table.claim(SLOT, ME);
    expect(table.finish(SLOT, ME, Ready.IN, Ready.IN, true)).toBe(DONE);
    expect(table.deliver(SLOT, 0, Ready.OUT)).toBe(DONE);
    expect(table.request(SLOT, 0, Flag.CONTROL)).toBe(PUSH);
    const claimed = table.claim(SLOT, ME);
    expect([readyOf(claimed), flagsOf(claimed)]).toEqual([Ready.IN | Ready.OUT, Flag.CONTROL]);
  });
});

describe('a request', () => {
  beforeEach(arm);

  test('queues a slot that rests, and joins a turn that is to come', () => {
    expect(table.request(SLOT, 0, Flag.CONTROL)).toBe(PUSH);
    expect(table.request(SLOT, 0, Flag.FORCED)).toBe(DONE);
    expect(flagsOf(table.claim(SLOT, ME))).toBe(Flag.CONTROL | Flag.FORCED);
  });

  test('during a turn gets a turn of its own, even if that one ends silent', () => {
    table.request(SLOT, 0, Flag.CONTROL);
    table.claim(SLOT, ME);
    expect(table.request(SLOT, 0, Flag.FORCED)).toBe(DONE);
    expect(table.finish(SLOT, ME, 0, 0, true)).toBe(PUSH);
    expect(flagsOf(table.claim(SLOT, ME))).toBe(Flag.FORCED);
  });

  test('made twice is done the second time too', () => {
    expect(table.request(SLOT, 0, Flag.FORCED)).toBe(PUSH);
    expect(table.request(SLOT, 0, Flag.FORCED)).toBe(DONE);
  });
});

describe('a number that comes back', () => {
  beforeEach(() => {
    arm();
    table.deliver(SLOT, 0, Ready.IN);
    table.claim(SLOT, ME);
  });

  test('is taken over while its old slot closes, and the old owner frees nothing', () => {
    expect(table.takeOver(SLOT, OTHER)).toBe(false);
    table.close(SLOT, ME);
    // The last handler runs, and may have closed a descriptor that was borrowed: its owner still needs the slot.
    expect(table.takeOver(SLOT, OTHER)).toBe(false);
    table.endGeneration(SLOT);
    expect(table.takeOver(SLOT, OTHER)).toBe(true);
    table.free(SLOT, ME);
    expect(table.ownerOf(SLOT, 1)).toBe(OTHER);
    expect(table.finish(SLOT, OTHER, 0, Ready.IN, false)).toBe(DONE);
    expect(table.isLive(SLOT, 1)).toBe(true);
  });

  test('is not taken over once it is free', () => {
    end(ME);
    expect(table.takeOver(SLOT, OTHER)).toBe(false);
    expect(table.register(SLOT, OTHER)).toBe(true);
  });
});

describe('the supervisor', () => {
  beforeEach(() => {
    arm();
    table.deliver(SLOT, 0, Ready.IN);
    table.claim(SLOT, ME);
  });

  test('gives an active slot of a dead owner a last turn', () => {
    expect(table.reap(SLOT, OTHER, SUPERVISOR)).toBe(REFUSED);
    expect(table.reap(SLOT, ME, SUPERVISOR)).toBe(PUSH);
    expect(flagsOf(table.claim(SLOT, OTHER))).toBe(Flag.FORCED);
  });

  test('lets a slot that no user code had go on', () => {
    expect(table.reap(SLOT, ME, SUPERVISOR, Flag.CONTROL)).toBe(PUSH);
    expect(flagsOf(table.claim(SLOT, OTHER))).toBe(Flag.CONTROL);
  });

  test('gets a closing slot of a dead owner, which nobody can take over then', () => {
    table.close(SLOT, ME);
    expect(table.reap(SLOT, ME, SUPERVISOR)).toBe(DONE);
    expect(table.takeOver(SLOT, OTHER)).toBe(false);
    end(SUPERVISOR);
    expect(table.state(SLOT)).toBe(State.FREE);
    expect(generationOf(table.word(SLOT))).toBe(1);
  });
});
