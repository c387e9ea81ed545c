import type { Prefix } from '../../model/address.js';
import type { Logger } from '../../util/logger.js';
import type { Interfaces, SockOptions } from './hooks.js';
import type { FullNatOptions } from './nat-ports.js';
import type { SeveringOptions } from './severing.js';
import type { Limits } from './shared-maps.js';
import type { Surroundings } from './surroundings.js';
import type { Redirect } from './workloads.js';

export interface EbpfOptions {
  /** Directory on a bpf filesystem for the pins of maps and links: `/sys/fs/bpf/vipd`. */
  readonly bpffs: string;
  /** Directory of the cgroup v2 hierarchy whose processes are served by the sock hook. */
  readonly cgroup: string;
  readonly interfaces: Interfaces;
  readonly limits: Limits;
  /** Whether packets between workloads pass by the host's network stack; `off` when absent. */
  readonly redirect?: Redirect;
  /** The same for packets of workloads to backends on other nodes, where `redirect` is in force. */
  readonly redirectRemote?: Redirect;
  /** Absent: the ports behind those of the node's sockets, and what the node sends from. */
  readonly fullNat?: FullNatOptions;
  /** Outer source addresses of tunnels, at most one prefix a family; the node's own address where there is none. */
  readonly tunnelSources?: readonly Prefix[];
  /** One in so many new connections makes an event; 0 none. */
  readonly sampleConnections: number;
  readonly sock?: SockOptions;
  /** Ends connected sockets of backends that are removed; absent leaves them to their peers and timeouts. */
  readonly sever?: SeveringOptions | undefined;
}

export interface EbpfModules {
  readonly logger?: Logger;
  /** The kernel's own routes and neighbours when absent. */
  readonly surroundings?: Surroundings;
}
