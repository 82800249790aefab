// A handler that prints line by line.
import { defineHandlers } from 'wakeone/worker';

export default defineHandlers({
  print(event) {
    for (let line = 1; line <= 20; line++) console.log(`item ${event.value} line ${line}`);
  },
});
