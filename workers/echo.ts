/** Ready-made handlers: a TCP echo. The whole example server of the demo. */
import { defineHandlers, type HandlerModule } from '../src/worker.ts';

const echo: HandlerModule = defineHandlers({
  echo: {
    data(connection) {
      connection.write(connection.input);
      connection.consume();
    },
  },
});

export default echo;
