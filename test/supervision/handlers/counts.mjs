// An event that counts, in workers that are terminated at any instruction.
import { threadId } from 'node:worker_threads';
import { defineHandlers } from 'wakeone/worker';

const BEGUN = 0;
const DONE = 1;
const LEFT = 2;
const THREAD = 3;

let words;

export default defineHandlers(
  {
    counts(event) {
      if (event.last) {
        words[LEFT] = event.value;
        return undefined;
      }
      words[THREAD] = threadId;
      const call = words[BEGUN]++;
      if (call % 1000 === 999) return Promise.resolve().then(() => void words[DONE]++);
      words[DONE]++;
      return undefined;
    },
  },
  { init: (data) => (words = new Int32Array(data)) },
);
