export * from './contract.ts';
export { openNative } from './libc.ts';
export { type EventLoop, openEventLoop } from './uv.ts';
