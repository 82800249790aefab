/** wakeone/sync: locks in shared memory that outlive the threads that hold them. */
export { Barrier } from './barrier.ts';
export { Condition } from './condition.ts';
export type { Lock } from './lock.ts';
export type { SharedMemory } from './memory.ts';
export { Mutex, StripedLock } from './mutex.ts';
export { Once } from './once.ts';
export { RwLock } from './rw-lock.ts';
export { Semaphore } from './semaphore.ts';
export { threadDied } from './thread.ts';
