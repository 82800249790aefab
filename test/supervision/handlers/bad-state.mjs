// A handler module with a state that cannot be.
import { defineHandlers } from 'wakeone/worker';

export default defineHandlers({ echo: { state: { seq: 'u33' }, data() {} } });
