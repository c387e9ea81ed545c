import { type Static, Type } from '../../model/typebox.js';
import { Fault } from './fault.js';
import { defineRoute, type Frozen } from './route.js';

const Mode = Type.Union([Type.Literal('auto'), Type.Literal('ebpf'), Type.Literal('ipvs')]);

export const ModeStatus = Type.Object({
  wanted: Mode,
  from: Type.Union([Type.Literal('configuration'), Type.Literal('operator')], { description: 'Who wants it' }),
  plane: Type.String({ description: 'The data plane that takes new connections; none without one' }),
  changing: Type.Optional(Type.String({ description: 'The plane that is being programmed to take its place' })),
  draining: Type.Optional(
    Type.Object({
      plane: Type.String({ description: 'Still carries the connections it has' }),
      until: Type.Number({ description: 'When it is removed at the latest, milliseconds since the epoch' }),
    }),
  ),
  planes: Type.Array(
    Type.Object({
      name: Type.String(),
      usable: Type.Boolean({ description: 'Whether this machine can run it, as of the last look' }),
      reason: Type.Optional(Type.String()),
      hint: Type.Optional(Type.String()),
    }),
  ),
  fault: Type.Optional(Fault),
});
export type ModeStatus = Frozen<Static<typeof ModeStatus>>;

export const modeRoutes = {
  mode: defineRoute({
    method: 'GET',
    path: '/v1/mode',
    summary: 'Which data plane serves, which one is wanted, and what this machine can run',
    produces: 'json',
    response: ModeStatus,
  }),
  setMode: defineRoute({
    method: 'POST',
    path: '/v1/mode',
    summary: 'Exchange the data plane; answers once new connections are taken by the new one',
    body: Type.Object({
      mode: Mode,
      drainMs: Type.Optional(
        Type.Integer({ minimum: 0, maximum: 86_400_000, description: 'How long the old plane may go on at most' }),
      ),
    }),
    produces: 'json',
    response: ModeStatus,
  }),
};
