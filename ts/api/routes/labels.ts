import { type Static, Type } from '../../model/typebox.js';
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

const AppPreview = Type.Object({
  vips: Type.Array(
    Type.Object({
      vip: Type.String({ description: 'protocol/frontend, as its label asks for it' }),
      name: Type.Optional(Type.String({ description: 'In the DNS; absent when the VIP is an address' })),
      address: Type.String({ description: 'It has, or would get now' }),
      source: Type.Optional(Type.String({ description: 'Who defines the VIP already' })),
    }),
  ),
  rejected: Type.Array(
    Type.Object({
      key: Type.String(),
      value: Type.String(),
      code: Type.String(),
      reason: Type.String(),
      mended: Type.Optional(Type.String()),
    }),
  ),
});
export type AppPreview = Static<typeof AppPreview>;

export const labelRoutes = {
  previewApp: defineRoute({
    method: 'POST',
    path: '/v1/marathon/preview',
    summary: 'What the labels of a Marathon app would come to; nothing is changed',
    body: Type.Unknown({ description: 'The app, as Marathon takes it' }),
    produces: 'json',
    response: AppPreview,
  }),
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
