import type { DataPlane } from '../dataplane/dataplane.js';
import type { ForwardedVip, Forwarding } from '../model/forwarding.js';
import type { LabelReport } from '../model/label.js';
import type { Mode } from '../model/mode.js';
import type { Names } from '../model/names.js';
import type { BackendKey, DeclaredService, VipKey } from '../model/service.js';
import type { ReconcileStatus, SourceStatus, VipStatus } from '../model/status.js';
import type { JointVip } from '../model/table.js';
import type { TaskTable } from '../model/task.js';
import type { Fault } from '../util/errors.js';
import type { MemberView } from './routes/cluster.js';
import type { DnsCached, DnsListener, DnsRecord, DnsSuffix, DnsUpstream, DnsZone, Lookup } from './routes/dns.js';
import type { AppPreview } from './routes/labels.js';
import type { ModeStatus } from './routes/mode.js';
import type { DoctorReport } from './routes/node.js';
import type { Frozen } from './routes/route.js';
import type { Event } from './routes/traffic.js';

/** The daemon as a whole. */
export interface NodePort {
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly started: number;
  /** The cgroup whose processes reach VIPs by the sock hook. */
  readonly cgroup: string;
  /** What it is called, and its addresses towards the network. */
  self(): { readonly name: string; readonly addresses: readonly string[] };
  doctor(): Promise<DoctorReport>;
  /** Removes everything from the kernel; the daemon ends soon after it resolves. */
  teardown(): Promise<void>;
  /** Prometheus text. */
  metrics(): Promise<string>;
}

/** What is desired and what became of it. */
export interface StatusPort {
  sources(): readonly SourceStatus[];
  reconcile(): ReconcileStatus;
  vips(): readonly VipStatus[];
  /** The names of VIPs, and whether they forward here. */
  names(): Names;
  desired(): Forwarding;
  /** What is wrong with definitions in each other's company, or on this node. */
  faults(): readonly Fault[];
}

/** Definitions that belong to the API, and what operators decided about backends of any source. */
export interface DefinitionsPort {
  /** Name of the source that holds them. */
  readonly source: string;
  list(): readonly DeclaredService[];
  /** Stores the definition, replacing one of the same name. */
  set(service: DeclaredService): Promise<void>;
  /** False when the API owns no service of that name. */
  remove(name: string): Promise<boolean>;
  /** Stores all; with `prune` removes the API's other services. */
  apply(services: readonly DeclaredService[], prune: boolean): Promise<void>;
  drain(service: string, backend: BackendKey): Promise<void>;
  /** False when it was not drained. */
  undrain(service: string, backend: BackendKey): Promise<boolean>;
}

export interface EventsPort {
  /** The newest events, oldest first; bounded. */
  recent(): readonly Event[];
  /** Calls the listener for every new event until the returned function is called. */
  subscribe(listener: (event: Event) => void): () => void;
}

export type PlanePort = Pick<
  DataPlane,
  'name' | 'counters' | 'connects' | 'verdicts' | 'flows' | 'tables' | 'hooks' | 'inspect'
> & {
  /** What the kernel holds for one VIP now. */
  held(key: VipKey): Promise<ForwardedVip | undefined>;
};

/** What is known of a cluster manager's tasks. */
export interface TasksPort {
  table(): TaskTable;
  /** What became of their labels, by the source that read them. */
  labels(): ReadonlyMap<string, LabelReport>;
  /** VIPs that several sources define together. */
  joint(): readonly JointVip[];
  /** What the labels of a Marathon app would come to. @throws RequestError APP_INVALID */
  preview(app: unknown): Frozen<AppPreview>;
}

/** The resolver of this node. */
export interface DnsPort {
  /** @throws VipdError NAME_INVALID, TYPE_INVALID */
  lookup(name: string, type: string): Promise<Frozen<Lookup>>;
  listeners(): Frozen<DnsListener[]>;
  zones(): Frozen<DnsZone[]>;
  /** Suffixes that are known by another name, or asked of others. */
  forwarded(): Frozen<DnsSuffix[]>;
  records(): Iterable<Frozen<DnsRecord>>;
  cache(): { readonly bytes: number; readonly entries: number; readonly evictions: number };
  cached(): Iterable<Frozen<DnsCached>>;
  /** Forgets all answers of others; returns how many there were. */
  flush(): number;
  upstreams(): Frozen<DnsUpstream[]>;
  /** Tasks with the records they have in the zone `mesos`. */
  tasks(): Iterable<DnsTask>;
}

export interface DnsTask {
  readonly framework: string;
  readonly name: string;
  readonly id: string;
  readonly records: readonly { readonly name: string; readonly host: string; readonly rtype: string }[];
}

/** The nodes of the cluster, if this one is in one. */
export interface ClusterPort {
  /** This one first. */
  members(): readonly Frozen<MemberView>[];
  /** For good. False when it is in none. */
  leave(): Promise<boolean>;
}

/** Which data plane serves. */
export interface ModePort {
  mode(): ModeStatus;
  /** Resolves once the mode is in force. @throws VipdError when it cannot be; then nothing has changed */
  setMode(mode: Mode, drainMs?: number): Promise<ModeStatus>;
}

/** All the API needs from the daemon. */
export interface ApiPorts {
  readonly node: NodePort;
  readonly status: StatusPort;
  readonly definitions: DefinitionsPort;
  readonly events: EventsPort;
  readonly plane: PlanePort;
  readonly mode: ModePort;
  readonly tasks: TasksPort;
  /** undefined when this daemon does not answer DNS. */
  readonly dns: DnsPort | undefined;
  readonly cluster: ClusterPort;
}
