import { type Static, Type } from '../../model/typebox.js';
import { DnsListener } from './dns.js';
import { Fault } from './fault.js';
import { ModeStatus } from './mode.js';
import { defineRoute } from './route.js';
import { tableFill } from './traffic.js';

const Milliseconds = Type.Number({ description: 'Milliseconds since the epoch' });

const Hook = Type.Object({
  hook: Type.Union([Type.Literal('sock'), Type.Literal('tc'), Type.Literal('xdp'), Type.Literal('ipvs')]),
  where: Type.String({ description: 'Path of the cgroup, name of the interface, or what IPVS stands on' }),
  mode: Type.String({
    description: 'sock: link, datagrams, answers or health; tc: tcx or clsact; xdp: native or generic; ipvs: kernel',
  }),
  attached: Type.Boolean(),
  fault: Type.Optional(Fault),
});

const Source = Type.Object({
  name: Type.String(),
  reported: Type.Boolean({ description: 'Has it reported a full set since the daemon started?' }),
  services: Type.Integer(),
  updated: Type.Optional(Milliseconds),
  note: Type.Optional(Type.String({ description: 'How it fares, for people' })),
  faults: Type.Array(Fault),
});

const Reconcile = Type.Object({
  converged: Type.Boolean({ description: 'Did the kernel hold what is desired when last read back?' }),
  lastPass: Type.Optional(Milliseconds),
  passes: Type.Integer(),
  drift: Type.Integer({ description: 'Differences found that vipd had not made itself' }),
  faults: Type.Array(Fault),
});

export const NodeStatus = Type.Object({
  healthy: Type.Boolean({
    description: 'Everything desired is programmed, every hook is attached, no source has a fault',
  }),
  version: Type.String(),
  pid: Type.Integer(),
  started: Milliseconds,
  plane: Type.String({ description: 'Takes new connections; none when this machine can run no data plane' }),
  mode: ModeStatus,
  pools: Type.Array(Type.String()),
  hooks: Type.Array(Hook),
  sources: Type.Array(Source),
  reconcile: Reconcile,
  faults: Type.Array(Fault, { description: 'Services that conflict with others or cannot be served on this node' }),
  vips: Type.Integer(),
  names: Type.Integer({ description: 'Names that VIPs have' }),
  backends: Type.Object({
    active: Type.Integer(),
    draining: Type.Integer(),
    down: Type.Integer(),
    pending: Type.Integer(),
    standby: Type.Integer(),
    ejected: Type.Integer(),
  }),
  dns: Type.Optional(
    Type.Object(
      {
        listeners: Type.Array(DnsListener),
        ready: Type.Boolean({ description: 'Every zone is filled' }),
        upstreams: Type.Integer(),
      },
      { description: 'Absent when this daemon does not answer DNS' },
    ),
  ),
  tables: Type.Array(
    Type.Object({
      ...tableFill,
      alarm: Type.Boolean({ description: 'It was three quarters full, and has not fallen below 65 % since' }),
    }),
  ),
  verdicts: Type.Record(Type.String(), Type.Number(), { description: 'Packets and sockets by what became of them' }),
});
export type NodeStatus = Static<typeof NodeStatus>;

const DoctorCheck = Type.Object({
  name: Type.String(),
  result: Type.Union([Type.Literal('ok'), Type.Literal('warning'), Type.Literal('failed')]),
  detail: Type.String(),
  hint: Type.Optional(Type.String()),
});

export const DoctorReport = Type.Object({
  ok: Type.Boolean({ description: 'No check failed; warnings do not count' }),
  checks: Type.Array(DoctorCheck),
});
export type DoctorCheck = Static<typeof DoctorCheck>;
export type DoctorReport = Static<typeof DoctorReport>;

export const nodeRoutes = {
  status: defineRoute({
    method: 'GET',
    path: '/v1/status',
    summary: 'The node in one answer: health, hooks, sources, reconciliation, counts',
    produces: 'json',
    response: NodeStatus,
  }),
  doctor: defineRoute({
    method: 'GET',
    path: '/v1/doctor',
    summary: 'What this machine offers and what stands in the way',
    produces: 'json',
    response: DoctorReport,
  }),
  exec: defineRoute({
    method: 'GET',
    path: '/v1/exec',
    summary: 'The cgroup a command must be in to reach VIPs by the sock hook',
    produces: 'json',
    response: Type.Object({ cgroup: Type.String({ description: 'Absolute path in the cgroup-v2 hierarchy' }) }),
  }),
  teardown: defineRoute({
    method: 'POST',
    path: '/v1/teardown',
    summary: 'Remove everything from the kernel, then end the daemon',
    produces: 'json',
    response: Type.Object({ removed: Type.Boolean() }),
  }),
  metrics: defineRoute({
    method: 'GET',
    path: '/metrics',
    summary: 'Metrics in the Prometheus text format',
    produces: 'text',
    response: Type.String(),
  }),
};
