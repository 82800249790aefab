/** What the pool runs for the posts: handlers that count, and handlers that post from a worker. */
import { defineHandlers, type FdEvent, type HandlerModule, post, userEvent } from '../../src/worker.ts';
import { Tally } from './tally.ts';

let tally = new Tally();

function init(memory: unknown): void {
  tally = new Tally(memory as SharedArrayBuffer);
}

function drive(event: FdEvent): void {
  const target = userEvent('target');
  const count = event.value;
  for (let i = 0; i < count; i++) target.post();
}

function driveItems(event: FdEvent): void {
  const count = event.value;
  for (let i = 0; i < count; i++) while (!post('item', 1)) tally.pause();
}

const handlers: HandlerModule = defineHandlers(
  {
    event: (event) => {
      if (!event.last) tally.add(event.value);
    },
    item: (event) => {
      tally.addShared(event.value);
    },
    drive,
    driveItems,
  },
  { init },
);
export default handlers;
