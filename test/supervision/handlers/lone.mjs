// Handlers for a pool of one thread: work that never ends beside connections, an `init` that posts, and one that fails.
import { defineHandlers, post, userEvent } from 'wakeone/worker';
import { count, counted, openJournal } from '../../servers/handlers/journal.mjs';

const STOP = 1;
const ITEMS = 2;
const POSTS = 3;
const STARTS = 4;

export default defineHandlers(
  {
    echo: {
      data(connection) {
        if (connection.input.at(-1) === 33) process.exit(1);
        connection.write(connection.read());
      },
    },
    /** Posts itself again. */
    chain() {
      if (counted(STOP) === 0) post('chain', 1);
    },
    again(event) {
      if (counted(STOP) === 0 && !event.last) userEvent('again').post(1);
    },
    item: () => count(ITEMS),
    bell: () => count(POSTS),
  },
  {
    init(workerData) {
      openJournal(workerData);
      if (workerData.chains) post('chain', 1);
      // The first worker to take a dead one's place.
      if (count(STARTS) !== 1 || !workerData.failsOnce) return;
      post('item', 7);
      userEvent('bell').post(1);
      throw new Error('init gave up');
    },
  },
);
