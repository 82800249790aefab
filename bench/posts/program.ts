/** One measurement of one way, in a process of its own: a line of JSON. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type From, openEvent, openItem, openMessage, type Way } from './ways.ts';

/** What the pool did for the posts of a measurement. */
type Effort = { readonly wakes: number; readonly polls: number; readonly handled: number };

/** Long enough for the workers to fall asleep. */
const restMs = 5;
/** The warm-up is so many runs: code that was compiled before it has seen the end of one is thrown away at the next. */
const warmups = 10;

const { values } = parseArgs({
  options: {
    way: { type: 'string', default: 'add' },
    from: { type: 'string', default: 'main' },
    workers: { type: 'string', default: '1' },
    messages: { type: 'string', default: '100000' },
    warmup: { type: 'string', default: '100000' },
    burst: { type: 'string', default: '0' },
  },
});

const from = values.from as From;
const workers = Number(values.workers);
const messages = Number(values.messages);
const burst = Number(values.burst);

const way = await open();
for (let i = 0; i < warmups; i++) {
  run(Math.ceil(Number(values.warmup) / warmups));
  await sleep(restMs);
}
const before = effort(way);
const seconds = burst === 0 ? run(messages) : await runBursts();
const after = effort(way);
console.log(
  JSON.stringify({
    messages,
    seconds,
    wakes: after.wakes - before.wakes,
    polls: after.polls - before.polls,
    handled: after.handled - before.handled,
  }),
);
await way.end();

function open(): Promise<Way> {
  switch (values.way) {
    case 'add':
    case 'count':
      return openEvent(values.way, from, workers);
    case 'item':
      return openItem(from, workers);
    default:
      return openMessage(from);
  }
}

/** Seconds from the first post until the last one was handled. */
function run(count: number): number {
  way.tally.begin(count);
  const began = performance.now();
  way.send(count);
  way.tally.wait();
  return (performance.now() - began) / 1000;
}

/** The same in bursts, each of which begins with workers that sleep. */
async function runBursts(): Promise<number> {
  let sum = 0;
  for (let sent = 0; sent < messages; sent += burst) {
    sum += run(Math.min(burst, messages - sent));
    await sleep(restMs);
  }
  return sum;
}

function effort({ pool }: Way): Effort {
  const all = pool?.stats().workers ?? [];
  const sum = (field: keyof Effort): number => all.reduce((total, worker) => total + worker[field], 0);
  return { wakes: sum('wakes'), polls: sum('polls'), handled: sum('handled') };
}
