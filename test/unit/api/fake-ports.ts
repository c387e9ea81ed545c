import type { ApiPorts } from '../../../ts/api/ports.js';
import type { Event } from '../../../ts/api/routes/traffic.js';
import type { Flow, HookStatus, VipCounters } from '../../../ts/dataplane/dataplane.js';
import type { Connects } from '../../../ts/model/connects.js';
import type { Forwarding } from '../../../ts/model/forwarding.js';
import type { RejectedLabel } from '../../../ts/model/label.js';
import { namesOf } from '../../../ts/model/names.js';
import { type ServiceDefinition, vipKey } from '../../../ts/model/service.js';
import type { VipStatus } from '../../../ts/model/status.js';
import { NO_TASKS, type Task, taskKey } from '../../../ts/model/task.js';
import { fakeDns } from './fake-dns.js';

export const web: ServiceDefinition = {
  name: 'web',
  frontend: { protocol: 'tcp', address: '11.0.0.80', port: 80 },
  backends: [
    { address: '10.0.0.1', port: 8080, weight: 1 },
    { address: '10.0.0.2', port: 8080, weight: 3 },
  ],
};

export const webStatus: VipStatus = {
  key: vipKey(web.frontend),
  name: 'web',
  source: 'file',
  frontend: web.frontend,
  backends: [
    { ...web.backends[0]!, state: 'active', reason: 'healthy', since: 1_000 },
    { ...web.backends[1]!, state: 'down', reason: 'tcp: ECONNREFUSED, 2 of 2 failures', since: 2_000 },
  ],
  programmed: 'yes',
};

const names = namesOf([{ ...webStatus, vipName: { label: 'web', framework: 'marathon' } }]);

const counters: VipCounters = {
  key: webStatus.key,
  connections: 5n,
  packets: 60n,
  bytes: 7_000n,
  refused: 1n,
  backends: new Map([['10.0.0.1:8080', { connections: 5n, packets: 60n, bytes: 7_000n }]]),
};

const connects: Connects = {
  connected: 4n,
  refused: 1n,
  timedOut: 0n,
  unreachable: 0n,
  reset: 2n,
  abandoned: 0n,
  failing: 1n,
  latency: { bounds: [0.000008, 0.000016], counts: [2n, 1n, 1n], sum: 0.25 },
};

export const flow: Flow = {
  vip: webStatus.key,
  backend: '10.0.0.1:8080',
  state: 'established',
  idleSeconds: 3,
  client: { address: '10.9.9.9', port: 40_000 },
};

export const exactFlow: Flow = {
  vip: 'udp/11.0.0.53:53',
  backend: '10.0.0.3:53',
  state: 'established',
  idleSeconds: 4,
  client: { address: '10.9.9.8', port: 40_001 },
  exact: {
    source: { address: '10.0.0.9', port: 61_440 },
    ageSeconds: 70,
    sent: { packets: 5, bytes: 500 },
    received: { packets: 6, bytes: 6_000 },
  },
};

export const hook: HookStatus = { hook: 'sock', where: '/sys/fs/cgroup', mode: 'link', attached: true };

export const member: ReturnType<ApiPorts['cluster']['members']>[number] = {
  id: '12D3KooWMember',
  name: 'node-a',
  state: 'self',
  since: 1_000,
  heard: 1_700_000_000_000,
  incarnation: 3,
  addresses: ['10.0.0.1'],
  neighbours: ['node-b'],
  clockSkewMs: 0,
  vips: 2,
  plane: 'ebpf',
  kernel: '6.18',
  software: '1.2.3',
  started: 1_000,
};

export const event: Event = { at: 1_700_000_000_000, kind: 'refused', hook: 'sock', vip: webStatus.key };

export const desired: Forwarding = {
  pools: [{ address: '11.0.0.0', bits: 8 }],
  vips: new Map([[webStatus.key, { frontend: web.frontend, backends: [{ ...web.backends[0]!, weight: 1 }] }]]),
};

export const task: Task = {
  id: 'app2.dcos-101.1',
  frameworkId: 'F-1',
  framework: 'marathon',
  name: 'app2.dcos-101',
  discovery: true,
  agentId: 'A-1',
  agentAddress: '10.0.0.1',
  addresses: ['172.18.0.2'],
  runtime: 'docker',
  phase: 'running',
  state: 'TASK_RUNNING',
  healthy: true,
  ports: [{ name: 'http', protocol: 'tcp', port: 80, hostPort: 31000, vips: ['/dcos-101/app2:10000', '/bad'] }],
  resourcePorts: [31000],
};

export const rejected: RejectedLabel = {
  framework: 'marathon',
  task: 'app2.dcos-101',
  taskId: task.id,
  agent: '10.0.0.1',
  key: 'VIP_1',
  value: '/bad',
  code: 'LABEL_PORT_MISSING',
  reason: 'has no port',
  mended: '/bad:31000',
};

export const previewed = {
  vips: [
    {
      vip: 'tcp/web.marathon:80',
      name: 'web.marathon.l4lb.thisdcos.directory',
      address: '11.0.0.80',
      source: 'file',
    },
  ],
  rejected: [{ key: 'VIP_1', value: '/bad', code: 'LABEL_PORT_MISSING', reason: 'has no port', mended: '/bad:80' }],
};

export const shared = { vip: 'web.marathon:80', protocol: 'tcp', apps: ['marathon/a', 'marathon/b'] } as const;
export const joint = { vip: 'tcp/11.0.0.80:80', service: 'web', sources: ['file', 'mesos-agent'] };
/** A daemon with one service from a file and one set through the API; every change it is asked for lands in `calls`. */
export class FakePorts implements ApiPorts {
  readonly calls: unknown[][] = [];
  readonly listeners = new Set<(event: Event) => void>();
  vips: readonly VipStatus[] = [webStatus];
  /** `SERVICE BACKEND` each. */
  readonly drained = new Set<string>();
  stored: readonly ServiceDefinition[] = [{ ...web, name: 'stored' }];

  readonly node: { -readonly [K in keyof ApiPorts['node']]: ApiPorts['node'][K] } = {
    version: '1.2.3',
    started: 500,
    cgroup: '/sys/fs/cgroup/test',
    self: () => ({ name: 'alone', addresses: ['10.0.0.9'] }),
    doctor: async () => ({ ok: true, checks: [{ name: 'kernel', result: 'ok', detail: '6.18' }] }),
    teardown: async () => this.record('teardown'),
    metrics: async () => 'vipd_build_info 1\n',
  };

  readonly status: ApiPorts['status'] = {
    sources: () => [{ name: 'file', reported: true, services: 1, updated: 900, faults: [] }],
    reconcile: () => ({ converged: true, lastPass: 950, passes: 4, drift: 2, faults: [] }),
    vips: () => this.vips,
    names: () => names,
    desired: () => desired,
    faults: () => [],
  };

  readonly definitions: ApiPorts['definitions'] = {
    source: 'api',
    list: () => this.stored,
    set: async (service) => this.record('set', service),
    remove: async (name) => {
      this.record('remove', name);
      return this.stored.some((service) => service.name === name);
    },
    apply: async (services, prune) => this.record('apply', services, prune),
    drain: async (service, backend) => this.record('drain', service, backend),
    undrain: async (service, backend) => {
      this.record('undrain', service, backend);
      return this.drained.has(`${service} ${backend}`);
    },
  };

  readonly events: { -readonly [K in keyof ApiPorts['events']]: ApiPorts['events'][K] } = {
    recent: () => [event],
    subscribe: (listener) => {
      this.listeners.add(listener);
      return () => void this.listeners.delete(listener);
    },
  };

  readonly mode: ApiPorts['mode'] = {
    mode: () => ({
      wanted: 'auto',
      from: 'configuration',
      plane: 'memory',
      planes: [{ name: 'memory', usable: true }],
    }),
    setMode: async (mode, drainMs) => {
      this.record('setMode', mode, drainMs);
      return this.mode.mode();
    },
  };

  readonly plane: ApiPorts['plane'] = {
    name: 'memory',
    counters: async () => [counters],
    connects: async () => new Map([[webStatus.key, new Map([['10.0.0.1:8080', connects]])]]),
    verdicts: async () => ({ forwarded: 60n, refused: 1n }),
    flows: async (limit, wanted = () => true) => [flow, exactFlow].filter(wanted).slice(0, limit),
    tables: () => [{ table: 'exact_flows', used: 3, limit: 65_536, alarm: false }],
    hooks: () => [hook],
    inspect: async () => ({ id: 7, table: 'maglev 251' }),
    held: async () => ({ frontend: web.frontend, backends: [{ ...web.backends[0]!, weight: 2 }] }),
  };

  readonly tasks: ApiPorts['tasks'] = {
    table: () => ({ ...NO_TASKS, tasks: new Map([[taskKey(task), task]]) }),
    labels: () => new Map([['mesos-agent', { rejected: [rejected], shared: [shared] }]]),
    joint: () => [joint],
    preview: (app) => {
      this.record('preview', app);
      return previewed;
    },
  };

  dns: ApiPorts['dns'] = fakeDns;
  readonly cluster: { -readonly [K in keyof ApiPorts['cluster']]: ApiPorts['cluster'][K] } = {
    members: () => [member],
    leave: async () => {
      this.record('leave');
      return true;
    },
  };

  private record(...call: unknown[]): void {
    this.calls.push(call);
  }
}
