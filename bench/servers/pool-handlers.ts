/** The handler of the pool server: an echo that works if the request asks for it. */
import { defineHandlers, type HandlerModule } from '../../src/worker.ts';
import { workIfAsked } from './work.ts';

let workSteps = 0;

const handlers: HandlerModule = defineHandlers(
  {
    echo: {
      data: (connection) => {
        const { input } = connection;
        workIfAsked(input, workSteps);
        connection.write(input);
        connection.consume();
      },
    },
  },
  {
    init: (steps) => {
      workSteps = Number(steps);
    },
  },
);
// oxlint-disable-next-line import/no-default-export -- the pool loads it by this
export default handlers;
