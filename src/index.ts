/** wakeone: a pool of worker threads for file descriptors. */
export { ERROR_TABLE, type ErrorCode, SystemError, type WakeoneError } from './errors.ts';
export type { SocketAddress } from './native/index.ts';
export type { PoolStats, WorkerStats } from './observe/snapshot.ts';
export type { PoolOptions } from './options.ts';
export { type AddOptions, type CloseOptions, createPool, type Pool, type PoolEvents } from './pool.ts';
export type { ListenOptions, Server } from './server.ts';
export type { CloseReason } from './sources/reason.ts';
export type { EventName, Registration, RegistrationId } from './sources/registration.ts';
