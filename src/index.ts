/** wakeone: a pool of worker threads for file descriptors. */
export { ERROR_TABLE, type ErrorCode, SystemError, type WakeoneError } from './errors.ts';
export type { SocketAddress } from './native/index.ts';
export type { PoolStats, WorkerStats } from './observe/snapshot.ts';
export type { PoolOptions } from './options.ts';
export { type CloseOptions, createPool, type Pool, type PoolEvents } from './pool.ts';
export type { Ticket } from './reactor/place.ts';
export type { TimeoutKind } from './slots/timeouts.ts';
export type { AddOptions } from './sources/add.ts';
export type { Affinity } from './sources/affinity.ts';
export { attach, type AttachedPool } from './sources/attached.ts';
export type { ConnectOptions } from './sources/connect.ts';
export type { Group, GroupId, GroupOptions } from './sources/group.ts';
export type { ListenOptions } from './sources/listen.ts';
export type { CloseReason, Failure } from './sources/reason.ts';
export type { EventName, Registration, RegistrationId } from './sources/registration.ts';
export type { Server } from './sources/server.ts';
export type { Timer, TimerId, TimerOptions } from './sources/timer.ts';
export type { UserEvent, UserEventId, UserEventOptions } from './sources/user-event.ts';
