/** Virtual threads that want one lock, and a supervisor that hands it on when one of them vanishes. */
import { expect } from 'vitest';
import { Mutex } from '../../src/sync/mutex.ts';
import type { Port } from '../../src/sync/port.ts';
import { again, type Body, type Program, type VirtualThread } from '../explorer/program.ts';

export type MutexLike = Pick<Mutex, 'lock' | 'tryLock' | 'unlock' | 'recover'>;

export type MutexCase = {
  /** How often each thread takes the lock. */
  readonly turns: readonly number[];
  readonly mortal?: boolean;
  readonly preemptions?: number;
  readonly makeMutex?: (port: Port) => MutexLike;
};

const LOCK = 0;
/** Who is inside. */
const INSIDE = 1;
const SUPERVISOR = 9;

export function mutexProgram({
  turns,
  mortal = false,
  preemptions,
  makeMutex = realMutex,
}: MutexCase): Program {
  const users = turns.map((count, i): VirtualThread => ({
    name: 'ABCD'.charAt(i),
    body: userBody(i + 1, count, makeMutex),
    mortal,
  }));
  const supervisors = mortal
    ? users.map((user, i): VirtualThread => ({
        name: `supervisor of ${user.name}`,
        body: supervisorBody(i + 1, makeMutex),
        reaps: user.name,
      }))
    : [];
  return {
    threads: [...users, ...supervisors],
    ...(preemptions === undefined ? {} : { preemptions }),
    vanishings: mortal ? 1 : 0,
    nameOf: (at) => (at === LOCK ? 'lock' : 'inside'),
    end: (view) => {
      expect(makeMutex(view.port).tryLock(SUPERVISOR), 'the lock is free at the end').toBe(true);
      for (const [i, user] of users.entries()) {
        if (view.status(user.name) === 'done') expect(view.log(user.name)).toHaveLength(turns[i] ?? 0);
      }
    },
  };
}

export const realMutex = (port: Port): MutexLike => new Mutex(port, LOCK);

function userBody(me: number, turns: number, makeMutex: (port: Port) => MutexLike): Body {
  return (port, self) => {
    const mutex = makeMutex(port);
    mutex.lock(me);
    self.check(port.exchange(INSIDE, me) === 0, 'two threads hold the lock');
    self.log(self.round);
    port.store(INSIDE, 0);
    mutex.unlock();
    return self.round + 1 < turns ? again(self.round + 1) : undefined;
  };
}

function supervisorBody(dead: number, makeMutex: (port: Port) => MutexLike): Body {
  return (port, self) => {
    const mutex = makeMutex(port);
    if (!mutex.recover(dead, SUPERVISOR)) return undefined;
    // What the lock protects is rebuilt.
    const inside = port.exchange(INSIDE, 0);
    self.check(inside === 0 || inside === dead, 'recovered a lock that another thread holds');
    mutex.unlock();
    return undefined;
  };
}
