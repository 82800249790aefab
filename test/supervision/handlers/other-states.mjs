// A handler module that declares another state in each worker.
import { threadId } from 'node:worker_threads';
import { defineHandlers } from 'wakeone/worker';

export default defineHandlers({ echo: { state: { [`of${threadId}`]: 'u32' }, data() {} } });
