import { oldNotation } from './old-notation.js';
import type { Json } from './world.js';

/** An app as its author wrote it, with what Marathon adds. */
export interface SimulatedApp extends Json {
  readonly id: string;
  instances: number;
  tasks: Json[];
  /** Of this definition; scaling makes another. */
  version?: string;
  /** Of the last definition that changed more than the number of instances. */
  config?: string;
}

interface Port {
  readonly port?: number;
  readonly servicePort?: number;
}

/** Of the range that Marathon gives out by itself, 10000–20000. */
const FIRST_SERVICE_PORT = 10_000;

/** What Marathon says of an app whose author did not. */
const SAID_ANYWAY = { container: null, ipAddress: null, readinessChecks: [], healthChecks: [], labels: {} };

/** What all Marathons of a cluster share: apps, pods and deployments. It is in ZooKeeper and outlives each of them. */
export class Apps {
  readonly all = new Map<string, SimulatedApp>();
  readonly pods: Json[] = [];
  /** By app, its deployment under way; a forced one takes the place of another. */
  readonly deployments = new Map<string, string>();
  /** How apps are described: as from 1.5 on, or as before. */
  notation: 'new' | 'old' = 'new';
  #versions = 0;

  /** The app with what is changed of it; who leaves a service port to Marathon is given one. */
  put(change: Json & { id: string }): SimulatedApp {
    const before = this.all.get(change.id);
    this.#versions += 1;
    const version = String(change.version ?? new Date(1_700_000_000_000 + this.#versions).toISOString());
    const config = before && isScaling(before, change) ? before.config : version;
    const tasks = before?.tasks ?? [];
    const merged = { instances: 1, tasks, ...before, ...change, version, ...(config !== undefined && { config }) };
    const next = this.#withPorts(merged);
    this.all.set(change.id, next);
    return next;
  }

  /** As `/v2/apps` shows them, with what is asked for by `embed`, and only those that the other parameters select. */
  listed(query: URLSearchParams): readonly Json[] {
    const embed = query.getAll('embed');
    return [...this.all.values()].filter((app) => isSelected(app, query)).map((app) => this.#shown(app, embed));
  }

  #shown({ tasks, config, readinessCheckResults, ...app }: SimulatedApp, embed: readonly string[]): Json {
    const deployment = this.deployments.get(app.id as string);
    const deployments = deployment === undefined ? [] : [{ id: deployment }];
    const said = { ...SAID_ANYWAY, ...(this.notation === 'old' ? oldNotation(app) : app) };
    return {
      ...said,
      versionInfo: { lastConfigChangeAt: config ?? null },
      tasksRunning: tasks.length,
      ...(embed.includes('apps.tasks') && { tasks }),
      ...(embed.includes('apps.deployments') && { deployments }),
      ...(embed.includes('apps.readiness') && { readinessCheckResults: readinessCheckResults ?? [] }),
    };
  }

  /** A service port is one app's alone, in the whole cluster. */
  #withPorts(app: SimulatedApp): SimulatedApp {
    const used = new Set([...this.all.values()].filter(({ id }) => id !== app.id).flatMap(servicePorts));
    const free = (): number => {
      for (let port = FIRST_SERVICE_PORT; ; port += 1) if (!used.has(port)) return port;
    };
    const given = <K extends keyof Port>(list: unknown, key: K): unknown => {
      if (!Array.isArray(list)) return list;
      return (list as Port[]).map((one) => {
        const port = one[key] || free();
        used.add(port);
        return { ...one, [key]: port };
      });
    };
    const container = app.container as { portMappings?: unknown } | null | undefined;
    const next = { ...app };
    if (app.portDefinitions !== undefined) next.portDefinitions = given(app.portDefinitions, 'port');
    if (container?.portMappings !== undefined) {
      next.container = { ...container, portMappings: given(container.portMappings, 'servicePort') };
    }
    return next;
  }
}

function servicePorts({ portDefinitions, container }: SimulatedApp): readonly (number | undefined)[] {
  const { portMappings } = (container ?? {}) as { portMappings?: unknown };
  const list = (value: unknown) => (Array.isArray(value) ? (value as Port[]) : []);
  return [
    ...list(portDefinitions).map(({ port }) => port),
    ...list(portMappings).map(({ servicePort }) => servicePort),
  ];
}

function isScaling(before: SimulatedApp, change: Json): boolean {
  return Object.entries(change).every(
    ([key, value]) => key === 'instances' || key === 'tasks' || JSON.stringify(before[key]) === JSON.stringify(value),
  );
}

/** `cmd` and `id` are parts of the text, `label` is `key`, `key==value` or `key!=value`, several with commas. */
function isSelected({ id, cmd, labels }: SimulatedApp, query: URLSearchParams): boolean {
  const contains = (text: unknown, part: string | null) => part === null || String(text ?? '').includes(part);
  const own = (labels ?? {}) as Record<string, string>;
  const wanted = (query.get('label') ?? '').split(',').filter(Boolean);
  const labelled = wanted.every((one) => {
    const [, key = '', sign, value] = /^([^=!]+?)(?:(==|!=)(.*))?$/.exec(one) ?? [];
    if (sign === undefined) return key in own;
    return (own[key] === value) === (sign === '==');
  });
  return contains(id, query.get('id')) && contains(cmd, query.get('cmd')) && labelled;
}
