import type { StatusMessage, TaskMessage } from '../../../../ts/sources/mesos/wire.js';

export const agentAddress = '172.17.0.3';

type Port = NonNullable<NonNullable<NonNullable<TaskMessage['discovery']>['ports']>['ports']>[number];

export function labels(values: Readonly<Record<string, string>>): { labels: { key: string; value: string }[] } {
  return { labels: Object.entries(values).map(([key, value]) => ({ key, value })) };
}

export function port(
  number: number,
  name?: string,
  values: Readonly<Record<string, string>> = {},
  protocol = 'tcp',
): Port {
  return { number, protocol, ...(name === undefined ? {} : { name }), labels: labels(values) };
}

export function status(addresses: readonly string[], more: Partial<StatusMessage> = {}): StatusMessage {
  const ip_addresses = addresses.map((ip_address) => ({ ip_address }));
  return {
    state: 'TASK_RUNNING',
    timestamp: 1,
    container_status: { network_infos: [{ ip_addresses }] },
    ...more,
  };
}

/** A task that runs on the agent's own addresses, as Marathon's are reported. */
export function message(more: Partial<TaskMessage> = {}, id = 'app.1'): TaskMessage {
  return {
    task_id: { value: id },
    framework_id: { value: 'F-0001' },
    agent_id: { value: 'A-S0' },
    name: 'app',
    state: 'TASK_RUNNING',
    statuses: [status([agentAddress])],
    ...more,
  };
}

export function discovery(ports: readonly Port[], name = 'app'): NonNullable<TaskMessage['discovery']> {
  return { name, ports: { ports: [...ports] } };
}

/** The worked example of the documentation of the label format: one task, four ports, five VIPs. */
export const example = message({
  resources: [{ name: 'ports', type: 'RANGES', ranges: { range: [{ begin: 9999, end: 10002 }] } }],
  health_check: {},
  statuses: [status([agentAddress], { healthy: true })],
  labels: labels({ vip_port0: 'tcp://def:80', vip_port1: 'tcp://jkl:80' }),
  discovery: discovery([
    port(9999, 'foo', { VIP_0: '/abc:80', VIP_1: '/cbd:80' }),
    port(10000, 'bar'),
    port(10001, 'baz', { VIP_2: '/xyz:443' }),
    port(10002, 'qux'),
  ]),
});
