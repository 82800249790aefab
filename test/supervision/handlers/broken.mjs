// A handler module with a handler that is none.
import { defineHandlers } from 'wakeone/worker';

export default defineHandlers({ echo: { dta() {} } });
