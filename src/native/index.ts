export * from './contract.ts';
export { openNative } from './libc.ts';
export { UNIX_PATH_BYTES } from './sockaddr.ts';
export { type EventLoop, openEventLoop } from './uv.ts';
