import { Type } from '../../model/typebox.js';
import { defineRoute } from './route.js';

const TaskView = Type.Object({
  id: Type.String(),
  state: Type.String({ description: 'TASK_RUNNING and so on' }),
  healthy: Type.Optional(Type.Boolean({ description: 'Absent when nothing checks it' })),
  agent: Type.String(),
  endpoints: Type.Array(Type.String()),
});

const Endpoints = Type.Object({
  framework: Type.String(),
  app: Type.String({ description: 'Name of its tasks' }),
  address: Type.Array(Type.String(), { description: 'Where its tasks are reached' }),
  dns: Type.Array(Type.String(), { description: 'The same by name; one name has the addresses of all tasks' }),
  vip: Type.Array(Type.String(), { description: 'The VIPs its labels ask for' }),
  tasks: Type.Array(TaskView),
});

export const endpointRoutes = {
  endpoints: defineRoute({
    method: 'GET',
    path: '/v1/endpoints/:app',
    summary: 'Addresses, names and VIPs of the tasks of an application',
    params: Type.Object({
      app: Type.String({ description: 'Name of its tasks, with or without framework/, or Marathon id' }),
    }),
    produces: 'json',
    response: Type.Object({ apps: Type.Array(Endpoints, { description: 'One for each framework that has it' }) }),
  }),
};
