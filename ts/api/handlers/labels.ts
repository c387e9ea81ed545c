import type { ApiPorts } from '../ports.js';
import type { labelRoutes } from '../routes/labels.js';
import type { Handlers } from '../routes/routes.js';

export function labelHandlers({ tasks }: ApiPorts): Handlers<typeof labelRoutes> {
  return {
    previewApp: async ({ body }) => tasks.preview(body),
    labels: async () => {
      const reports = [...tasks.labels()];
      return {
        rejected: reports.flatMap(([source, { rejected }]) => rejected.map((one) => ({ source, ...one }))),
        shared: reports.flatMap(([source, { shared }]) => shared.map((one) => ({ source, ...one }))),
        joint: tasks.joint(),
      };
    },
  };
}
