/** The handlers of the demo: those of the echo and those of the proxy. */
import { defineHandlers, type HandlerModule } from '../src/worker.ts';
import echo from './echo.ts';
import proxy from './proxy.ts';

const demo: HandlerModule = defineHandlers({ ...echo.handlers, ...proxy.handlers }, proxy.options);

export default demo;
