/** The handlers of the demo: those of the echo, of the proxy and of the cache. */
import { defineHandlers, type HandlerModule } from '../src/worker.ts';
import echo from './echo.ts';
import proxy from './proxy.ts';
import resp from './resp.ts';

const demo: HandlerModule = defineHandlers(
  { ...echo.handlers, ...proxy.handlers, ...resp.handlers },
  {
    async init(workerData) {
      for (const { options } of [proxy, resp]) await options.init?.(workerData);
    },
    async dispose() {
      await resp.options.dispose?.();
    },
  },
);

export default demo;
