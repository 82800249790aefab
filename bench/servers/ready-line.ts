import type { AddressInfo } from 'node:net';

/** Tells the benchmark where to connect, and whose CPU time counts. */
export function printReady(
  pids: readonly number[],
  { address, port }: Pick<AddressInfo, 'address' | 'port'>,
): void {
  console.log(JSON.stringify({ ready: true, pid: process.pid, pids, echo: { host: address, port } }));
}
