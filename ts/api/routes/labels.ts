import { Type } from 'typebox';
import { defineRoute } from './route.js';

const Rejected = Type.Object({
  source: Type.String(),
  framework: Type.String(),
  task: Type.String({ description: 'Name of the task' }),
  taskId: Type.String(),
  agent: Type.String({ description: 'Address of its agent' }),
  key: Type.String(),
  value: Type.String(),
  code: Type.String({ description: 'Stable name of what is wrong, UPPER_SNAKE' }),
  reason: Type.String(),
  mended: Type.Optional(Type.String({ description: 'The value that was probably meant' })),
});

const Shared = Type.Object({
  source: Type.String(),
  vip: Type.String(),
  protocol: Type.String(),
  apps: Type.Array(Type.String(), { description: 'framework/task name of each' }),
});

const Joint = Type.Object({
  vip: Type.String(),
  service: Type.String(),
  sources: Type.Array(Type.String(), { description: 'The first decides on name, check and policy' }),
});

export const labelRoutes = {
  labels: defineRoute({
    method: 'GET',
    path: '/v1/labels',
    summary: 'Labels of tasks that make no VIP, VIPs of several applications, VIPs of several sources',
    produces: 'json',
    response: Type.Object({
      rejected: Type.Array(Rejected),
      shared: Type.Array(Shared),
      joint: Type.Array(Joint),
    }),
  }),
};
