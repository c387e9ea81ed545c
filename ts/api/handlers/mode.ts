import { VipdError } from '../../util/errors.js';
import { RequestError } from '../errors.js';
import type { ApiPorts } from '../ports.js';
import type { modeRoutes } from '../routes/mode.js';
import type { Handlers } from '../routes/routes.js';

export function modeHandlers({ mode }: ApiPorts): Handlers<typeof modeRoutes> {
  return {
    mode: async () => mode.mode(),
    setMode: async ({ body }) => {
      try {
        return await mode.setMode(body.mode, body.drainMs);
      } catch (error) {
        // The node cannot do what is asked, and says why: no failure of the daemon.
        throw error instanceof VipdError ? new RequestError(409, error.fault, { cause: error }) : error;
      }
    },
  };
}
