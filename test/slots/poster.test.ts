/** A poster, used by one thread: who is to ask for a turn. That it suffices, under all schedules, is in user-explorations.test.ts. */
import { beforeEach, expect, test } from 'vitest';
import { Layout, SlotWord } from '../../src/slots/layout.ts';
import { Poster } from '../../src/slots/poster.ts';
import { emptyUserWord, MAX_USER_VALUE, Merge, Posted, UserWords } from '../../src/slots/user.ts';
import { pack, State } from '../../src/slots/word.ts';
import { AtomicsPort } from '../../src/sync/port.ts';

const SLOT = 2;
/** A generation that the user word's seven bits do not tell from 5. */
const ALIKE = 5 + 128;

const layout = new Layout(4, 8);
let port: AtomicsPort;
let users: UserWords;

const put = (at: number, value: number): void => port.store(layout.slot(SLOT) + at, value);
const posterOf = (generation: number, merge: Merge = Merge.ADD): Poster =>
  new Poster(port, layout, SLOT, generation, merge);

beforeEach(() => {
  port = new AtomicsPort(new Int32Array(new SharedArrayBuffer(layout.byteLength)));
  users = new UserWords(port, layout);
  put(SlotWord.GENERATION, 5);
  put(SlotWord.USER, emptyUserWord(5));
});

test.each([State.QUEUED, State.ACTIVE, State.DISABLED])(
  'the first post to a slot in state %i asks for a turn, those that join it do not',
  (state) => {
    put(SlotWord.WORD, pack(5, 0, 0, 0, state));
    const poster = posterOf(5);
    expect([poster.post(1), poster.post(2), poster.post(3)]).toEqual([
      Posted.DONE,
      Posted.JOINED,
      Posted.JOINED,
    ]);
    expect(users.take(SLOT)).toBe(6);
    expect(poster.post(1)).toBe(Posted.DONE);
  },
);

test('one that joins asks too while the slot is at rest: the first poster may be on its way', () => {
  put(SlotWord.WORD, pack(5, 0, 0, 0, State.ARMED));
  const poster = posterOf(5);
  expect([poster.post(1), poster.post(2)]).toEqual([Posted.DONE, Posted.DONE]);
});

test('all 32 bits of the generation count, and what is too much is refused', () => {
  expect(posterOf(ALIKE).post(1)).toBe(Posted.STALE);
  expect(users.waiting(SLOT)).toBe(0);
  posterOf(5).post(MAX_USER_VALUE);
  expect(posterOf(5, Merge.COUNT).post(1)).toBe(Posted.FULL);
});
