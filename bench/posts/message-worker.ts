/** A plain worker: counts the messages that it is sent, or, told a number, sends so many to another. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { Tally } from './tally.ts';

export type MessageTask = {
  readonly role: 'counter' | 'sender';
  readonly memory: SharedArrayBuffer;
  /** Between the two workers; without it the main thread is the sender. */
  readonly port?: MessagePort;
};

const { role, memory, port } = workerData as MessageTask;

if (role === 'counter') {
  const tally = new Tally(memory);
  (port ?? parentPort)?.on('message', () => {
    tally.add(1);
  });
} else {
  parentPort?.on('message', (count: number) => {
    for (let i = 0; i < count; i++) port?.postMessage(1);
  });
}
parentPort?.postMessage('ready');
