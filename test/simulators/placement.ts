import type { Place } from './driver.js';
import type { PortSpec } from './tasks.js';
import type { Json } from './world.js';

interface Mapping {
  readonly containerPort?: number;
  readonly hostPort?: number;
  readonly protocol?: string;
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Where a task listens, and how Mesos is told of its ports. */
export interface Placement {
  /** Of the task: those of its agent, or its own. */
  readonly address: string;
  /** Of its agent, in the order of the app's definitions. */
  readonly hostPorts: readonly number[];
  /** `ADDRESS:PORT/PROTOCOL` of every socket. */
  readonly sockets: readonly string[];
  readonly ports: readonly PortSpec[];
  readonly mappings: readonly (readonly [container: number, host: number, protocol: string])[];
}

/**
 * The ports of one more task of an app. In a container network it has an address of its own, where the place has one to
 * give; what maps a port of the agent to it listens at both.
 * @param next gives ports of agents out
 */
export function placed(app: Json, place: Place, next: () => number): Placement {
  const networks = (app.networks ?? []) as readonly { mode?: string }[];
  const { portMappings = [] } = (app.container ?? {}) as { portMappings?: readonly Mapping[] };
  const mode = networks[0]?.mode ?? 'host';
  if (mode === 'host' || portMappings.length === 0) return onHost(app, place.address, next);
  return inContainer(portMappings, { mode, agent: place.address, address: place.own?.() ?? place.address, next });
}

function onHost(app: Json, address: string, next: () => number): Placement {
  const definitions = (app.portDefinitions ?? []) as readonly Mapping[];
  const numbered = definitions.map((one) => ({ ...one, number: next() }));
  const ports = numbered.flatMap(({ number, name, protocol, labels }) => {
    return protocols(protocol).map((protocol) => spec({ number, name, protocol, labels }));
  });
  const sockets = ports.map(({ number, protocol }) => `${address}:${number}/${protocol}`);
  return { address, hostPorts: numbered.map(({ number }) => number), sockets, ports, mappings: [] };
}

interface Container {
  readonly mode: string;
  readonly agent: string;
  readonly address: string;
  readonly next: () => number;
}

function inContainer(mappings: readonly Mapping[], { mode, agent, address, next }: Container): Placement {
  const own = address !== agent;
  const numbered = mappings.map((one) => {
    const host = mode === 'container/bridge' || one.hostPort !== undefined || !own ? one.hostPort || next() : undefined;
    return { ...one, host, inside: one.containerPort || host || next() };
  });
  const split = numbered.flatMap((one) => protocols(one.protocol).map((protocol) => ({ ...one, protocol })));
  return {
    address,
    hostPorts: numbered.flatMap(({ host }) => host ?? []),
    sockets: split.flatMap(({ host, inside, protocol }) => [
      ...(host === undefined ? [] : [`${agent}:${host}/${protocol}`]),
      ...(own ? [`${address}:${inside}/${protocol}`] : []),
    ]),
    ports: split.map(({ host, inside, name, protocol, labels }) =>
      spec({ number: host ?? inside, name, protocol, labels, scope: host === undefined ? 'container' : 'host' }),
    ),
    mappings: split.flatMap(({ host, inside, protocol }) =>
      host === undefined ? [] : [[inside, host, protocol] as const],
    ),
  };
}

/** Marathon tells `udp,tcp` as two ports of one number. */
function protocols(text = 'tcp'): readonly string[] {
  return text.split(',');
}

interface Described {
  readonly number: number;
  readonly name: string | undefined;
  readonly protocol: string;
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly scope?: 'host' | 'container';
}

function spec({ number, name, protocol, labels, scope }: Described): PortSpec {
  const scoped = scope === undefined ? {} : { 'network-scope': scope };
  return { number, protocol, ...(name === undefined ? {} : { name }), labels: { ...labels, ...scoped } };
}
