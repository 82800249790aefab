// Handlers that print much right before the pool ends; the process ends by itself.
import { createPool } from 'wakeone';

const handlers = new URL('../handlers/prints.mjs', import.meta.url);
const pool = await createPool({ handlers, minThreads: 2 });
pool.post('print', 1);
pool.post('print', 2);
await pool.close();
