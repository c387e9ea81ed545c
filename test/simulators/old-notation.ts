import type { Json } from './world.js';

interface Described {
  readonly networks?: readonly { readonly mode?: string; readonly name?: string }[];
  readonly container?: {
    readonly type?: string;
    readonly docker?: Json;
    readonly portMappings?: readonly Json[];
  } | null;
}

/** An app of today as a Marathon before 1.5 described it: networks are said by the container or by `ipAddress`. */
export function oldNotation(app: Json): Json {
  const { networks, container, ...rest } = app as Described & Json;
  const [network] = networks ?? [];
  const { portMappings, docker, ...box } = container ?? {};
  if (network?.mode === 'container/bridge') {
    return { ...rest, container: { ...box, docker: { ...docker, network: 'BRIDGE', portMappings } } };
  }
  if (network?.mode !== 'container') return { ...rest, container: container ?? null };
  const ports = (portMappings ?? []).map(({ containerPort, name, protocol = 'tcp', labels }) => {
    return { number: containerPort, name, protocol, labels };
  });
  return {
    ...rest,
    container: container ? { ...box, docker } : null,
    ipAddress: { networkName: network.name, discovery: { ports } },
  };
}
