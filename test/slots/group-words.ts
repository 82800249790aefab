/** The words of a group's world: those of the real layout, and a few of the test's own in front of them. */
import { Layout, MemberWord, SlotWord, Word } from '../../src/slots/layout.ts';

/** Two slots that may be members, and the group. */
export const MEMBERS: readonly number[] = [0, 1];
export const GROUP = 2;
export const LAYOUT: Layout = new Layout(MEMBERS.length, 4, 1);
export const INBOX: number = LAYOUT.slot(GROUP) + SlotWord.USER;

export const GroupAt = {
  /** All hints, 2 bits each, oldest lowest: a queue of one step. */
  QUEUE: 1,
  /** Who is in a handler of the group. */
  INSIDE: 2,
  /** Who is in a handler of each slot. */
  BUSY: 3,
  BUSY_NEXT: 4,
  /** What has come, and no turn was given: see group-world.ts. */
  NOTES: 5,
} as const;

/** Kept by the test beside the protocol. */
export const isNote = (at: number): boolean => at === GroupAt.NOTES;

const names = new Map<number, string>([
  ...Object.entries(GroupAt).map(([name, at]): [number, string] => [at, name.toLowerCase()]),
  [Word.GROUP_CLOCK, 'clock'],
  [LAYOUT.slot(GROUP) + SlotWord.MEMBERS, 'head'],
  [LAYOUT.slot(GROUP) + SlotWord.MEMBER_COUNT, 'count'],
  ...[...MEMBERS, GROUP].flatMap((index): [number, string][] => [
    [LAYOUT.slot(index) + SlotWord.WORD, `word ${index}`],
    [LAYOUT.slot(index) + SlotWord.GENERATION, `generation ${index}`],
    [LAYOUT.slot(index) + SlotWord.GROUP, `group of ${index}`],
    [LAYOUT.slot(index) + SlotWord.USER, `inbox ${index}`],
    ...Object.entries(MemberWord).map(([name, word]): [number, string] => [
      LAYOUT.member(index) + word,
      `${name.toLowerCase()} ${index}`,
    ]),
  ]),
]);

export const nameOf = (at: number): string => names.get(at) ?? `word[${at}]`;
