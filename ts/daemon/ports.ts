import type { ApiPorts, ClusterPort, NodePort, PlanePort, StatusPort, TasksPort } from '../api/ports.js';
import { clusterCollector } from '../cluster/metrics.js';
import type { DataPlane } from '../dataplane/dataplane.js';
import { planeCollector } from '../dataplane/metrics.js';
import { Metrics } from '../metrics/metrics.js';
import { reconcileCollector } from '../reconcile/metrics.js';
import { sourceCollector } from '../sources/metrics.js';
import type { Control } from './control.js';
import type { NameService } from './dns.js';
import { dnsPort } from './dns-port.js';
import { memberViews } from './members.js';
import type { Planes } from './planes.js';
import { previewApp } from './preview.js';

/** The daemon as the API sees it. */
export function apiPorts(
  node: Omit<NodePort, 'metrics'>,
  planes: Planes,
  control: Control,
  names?: NameService,
): ApiPorts {
  const status = statusPort(control, names);
  const plane = planes.active;
  const metrics = new Metrics(
    { version: node.version },
    { collectors: [...collectors(plane, control, status), planes.collector(), ...dnsCollectors(names)] },
  );
  return {
    node: { ...node, metrics: () => metrics.text() },
    status,
    definitions: control.definitions,
    events: control.journal,
    plane: planePort(plane),
    mode: planes,
    tasks: tasksPort(control),
    dns: names && dnsPort(names),
    cluster: clusterPort(control),
  };
}

function statusPort(control: Control, resolver: NameService | undefined): StatusPort {
  const { sources, reconciler, intent, cover } = control;
  return {
    sources: () => sources.status(),
    reconcile: () => reconciler.status(),
    vips: () => [...reconciler.vips(), ...intent.refused()],
    names: () => control.names(),
    desired: () => intent.forwarding(),
    faults: () => [
      ...intent.faults(),
      ...cover.faults(),
      ...control.clustering.faults(),
      ...(resolver?.faults() ?? []),
    ],
  };
}

function tasksPort({ sources }: Control): TasksPort {
  return {
    table: () => sources.tasks(),
    labels: () => sources.labels(),
    joint: () => sources.joint(),
    preview: (app) => previewApp(app, sources),
  };
}

function clusterPort({ clustering }: Control): ClusterPort {
  return {
    members: () => memberViews(clustering.source?.cluster, Date.now()),
    leave: () => clustering.leave(),
  };
}

function planePort(plane: DataPlane): PlanePort {
  return {
    get name() {
      return plane.name; // another one after an exchange
    },
    counters: () => plane.counters(),
    connects: (wanted) => plane.connects(wanted),
    verdicts: () => plane.verdicts(),
    flows: (limit, wanted) => plane.flows(limit, wanted),
    tables: () => plane.tables(),
    hooks: () => plane.hooks(),
    inspect: (key) => plane.inspect(key),
    held: async (key) => (await plane.read()).vips.get(key),
  };
}

function collectors(
  plane: DataPlane,
  { sources, reconciler, outliers, severed, clustering }: Control,
  status: StatusPort,
) {
  const names = () => new Map(reconciler.vips().map((vip) => [vip.key, vip.name]));
  return [
    planeCollector(plane, names),
    () => severed.collect(),
    reconcileCollector({
      status: () => reconciler.status(),
      vips: status.vips,
      ejections: () => outliers.counts(),
    }),
    sourceCollector(sources),
    clusterCollector(() => clustering.source?.cluster),
  ];
}

function dnsCollectors(names: NameService | undefined) {
  return names === undefined ? [] : [() => names.collect()];
}
