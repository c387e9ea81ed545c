import type { Endpoint, Prefix } from '../model/address.js';
import type { ConnectsByVip } from '../model/connects.js';
import type { Fill } from '../model/fill.js';
import type { ForwardedVip, Forwarding } from '../model/forwarding.js';
import type { BackendKey, VipKey } from '../model/service.js';
import type { Fault } from '../util/errors.js';

/** `none` stands for a node that can run no plane and does all the rest. */
export type PlaneName = 'ebpf' | 'ipvs' | 'memory' | 'none';

/** Whether this machine can run a data plane. */
export type Support = { readonly ok: true } | { readonly ok: false; readonly reason: string; readonly hint: string };

/** One idempotent change. Inside a step the plane makes before it breaks; removal runs in the reverse order. */
export type Step =
  | { readonly kind: 'pools'; readonly pools: readonly Prefix[] }
  | { readonly kind: 'upsert'; readonly vip: ForwardedVip }
  | { readonly kind: 'remove'; readonly key: VipKey };

/** `undefined` for a step that was carried out, else why it was not; steps do not depend on each other. */
export type Outcome = Fault | undefined;

/** Monotonic since the VIP or backend was first programmed; they may restart from 0 when one is removed and added again. */
export interface Counters {
  readonly connections: bigint;
  readonly packets: bigint;
  readonly bytes: bigint;
}

export interface VipCounters extends Counters {
  readonly key: VipKey;
  /** Connections refused because no backend was usable. */
  readonly refused: bigint;
  readonly backends: ReadonlyMap<BackendKey, Counters>;
}

/** Where in the kernel traffic meets a VIP. */
export interface HookStatus {
  readonly hook: 'sock' | 'tc' | 'xdp' | 'ipvs';
  /** The cgroup's path or the interface's name; for ipvs what of the network namespace it stands on. */
  readonly where: string;
  /** sock: `link`, `datagrams` and `answers` for UDP, `health` for what watches connects; tc: `tcx` or `clsact`; xdp: `native` or `generic`; ipvs: `kernel`. */
  readonly mode: string;
  readonly attached: boolean;
  readonly fault?: Fault;
}

/** A tracked connection. */
export interface Flow {
  readonly vip: VipKey;
  readonly backend: BackendKey;
  readonly state: 'new' | 'established' | 'closing';
  /** Seconds since its last packet, as precise as the plane keeps it. */
  readonly idleSeconds: number;
  /** Absent where the plane keeps a fingerprint instead of the client's address. */
  readonly client?: Endpoint;
  /** Of connections that are tracked by all of their ends. */
  readonly exact?: ExactCounts;
}

export interface ExactCounts {
  /** What the backend takes for the client: with full NAT an address and a port of this node. */
  readonly source: Endpoint;
  /** Seconds since its first packet. */
  readonly ageSeconds: number;
  /** Towards the backend, IP headers included. */
  readonly sent: { readonly packets: number; readonly bytes: number };
  /** Towards the client. */
  readonly received: { readonly packets: number; readonly bytes: number };
}

export interface TableFill extends Fill {
  /** It was three quarters full, and has not fallen below 65 % since. */
  readonly alarm: boolean;
}

export interface PlaneEvent {
  readonly kind:
    | 'connection'
    | 'no-backend'
    | 'refused'
    | 'denied'
    | 'limited'
    | 'exhausted'
    | 'table-pressure'
    | 'table-alarm'
    | 'table-clear'
    | 'severed';
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Absent from what user space itself has to tell. */
  readonly hook?: Exclude<HookStatus['hook'], 'ipvs'>;
  readonly vip?: VipKey;
  readonly backend?: BackendKey;
  /** Who asked; the address of the packet's sender or of the socket. */
  readonly client?: Endpoint;
  /** What was asked for, where no VIP was found: an unserved address or port of a pool. */
  readonly target?: Endpoint;
  /** severed: how many sockets of the backend, which is gone, were ended. */
  readonly sockets?: number;
  /** table-alarm and table-clear: the table, and how full it is. */
  readonly fill?: Fill;
}

/**
 * What carries packets. Everything is in model terms: no ids, no map names. All methods reject with a VipdError.
 * Order of calls: probe, open, then read/apply/counters at will, engage and disengage any number of times, and last
 * release (forwarding goes on without this process) or remove (the kernel is as it was found).
 */
export interface DataPlane {
  readonly name: PlaneName;
  probe(): Promise<Support>;
  /** Takes resources, or adopts what an earlier process left pinned. Changes no traffic. */
  open(): Promise<void>;
  /**
   * What the kernel holds now, read back. The same object may be returned while nothing changed. With `recent` the plane
   * may answer by its last full reading and its own steps since: for a change that must not wait for 10,000 others.
   */
  read(depth?: 'full' | 'recent'): Promise<Forwarding>;
  /** The pools the kernel holds for this plane; to be asked without `open` too. */
  pools(): Promise<readonly Prefix[]>;
  /** Carries out the steps, in an order that never leaves a VIP without backends it should have; one outcome a step. */
  apply(steps: readonly Step[]): Promise<readonly Outcome[]>;
  /**
   * New connections come here. Those that the plane `beside` has it goes on carrying: only what begins is taken, not what is
   * unknown here and may be its. Idempotent.
   */
  engage(beside?: Pick<DataPlane, 'flows'>): Promise<void>;
  /** New connections go elsewhere; established ones stay. */
  disengage(): Promise<void>;
  counters(): Promise<readonly VipCounters[]>;
  /** How connections began, of these VIPs or all; empty where the plane does not see it. */
  connects(wanted?: ReadonlySet<VipKey>): Promise<ConnectsByVip>;
  /** Whole-node verdict counts by name (`forwarded`, `replied`, `no_backend`, …), monotonic while the plane stays programmed. */
  verdicts(): Promise<Readonly<Record<string, bigint>>>;
  /** What is tracked now and `wanted`, at most `limit` of them. */
  flows(limit: number, wanted?: (flow: Flow) => boolean): Promise<readonly Flow[]>;
  /**
   * Would connections of another plane end with this one? Asked while it drains and has none of its own; not there where that
   * cannot be.
   */
  isNeeded?(): Promise<boolean>;
  /** How full the tables are that the plane counts. */
  tables(): readonly TableFill[];
  hooks(): readonly HookStatus[];
  /** What the kernel holds for one VIP, as plain values for people; undefined when it holds nothing. */
  inspect(key: VipKey): Promise<Readonly<Record<string, unknown>> | undefined>;
  /** Calls the listener for every event until the returned function is called; without a listener events are dropped. */
  events(listener: (event: PlaneEvent) => void): () => void;
  /** Lets go of handles; forwarding goes on. */
  release(): Promise<void>;
  /** Leaves the kernel as it was before the first open. */
  remove(): Promise<void>;
}
