/** One thread of the tests of the table of clients, on the built code. */
import { parentPort, workerData } from 'node:worker_threads';
import { Clients } from '../../dist/workers/resp/clients.js';

const { memory, words, worker, role, count } = workerData;
const STOP = 0;
const WRONG = 1;
const STAYS = 900;
const shared = new Int32Array(words);
const clients = new Clients(memory, worker);

const roles = {
  /** Connections that come and go, until told to stop. */
  churn() {
    const first = 20 * worker;
    while (Atomics.load(shared, STOP) === 0) {
      for (let fd = first; fd < first + 10; fd++) clients.enter(fd, 1, 'peer', 'us');
      for (let fd = first; fd < first + 10; fd++) clients.leave(fd);
    }
  },
  /** Looks for one that stays, and that changes its name. */
  look() {
    clients.enter(STAYS, 1, 'peer', 'us');
    for (let i = 0; i < count; i++) {
      clients.setName(STAYS, `${i}`);
      if (!clients.list().some(({ fd }) => fd === STAYS)) Atomics.add(shared, WRONG, 1);
    }
    Atomics.store(shared, STOP, 1);
  },
};

parentPort.postMessage('ready');
roles[role]();
