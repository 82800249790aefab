/** Posts that count, in workers that are terminated in the middle of a run of them (G9). Scenarios 107, 108. */
import { expect, it } from 'vitest';
import { runProgram } from './child.ts';
import { STRESS } from '../servers/pools.ts';

type Account = Readonly<Record<'posts' | 'begun' | 'done' | 'left' | 'lost', number>>;

it('each post is delivered once or told to be lost, and with a worker at most one is lost', async () => {
  const kills = STRESS ? 100 : 8;
  const child = runProgram('counts', `${kills}`, '20000');
  // A pool whose workers die fast waits a while before it makes others.
  const end = await child.end(kills * 6000);
  expect([end.code, child.errors]).toEqual([0, '']);
  const { posts, begun, done, left, lost } = JSON.parse(child.output) as Account;
  expect(posts).toBe(kills * 20_000);
  // None twice.
  expect(begun + left).toBeLessThanOrEqual(posts);
  // Of those that are told some may have come to their end, before their worker could say so.
  expect(posts - done - left).toBeLessThanOrEqual(lost);
  expect(lost).toBeLessThanOrEqual(kills);
  expect(done).toBeGreaterThan(0);
});
