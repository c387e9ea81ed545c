/** Where the entries of a cluster are kept when NATS carries them. */
export interface NatsSetup {
  readonly clusterId: string;
  /** `nats://HOST:PORT` or `tls://HOST:PORT`; any that answers will do. */
  readonly servers: readonly string[];
  /** File of credentials (JWT and NKey seed); absent: none are sent. */
  readonly credentials?: string;
  readonly timing: NatsTiming;
}

/** Milliseconds. */
export interface NatsTiming {
  /** Between two signs of life. */
  readonly beatMs: number;
  /** A node whose last sign of life came longer ago is gone. */
  readonly deadlineMs: number;
  /** A node that says nothing for longer is forgotten. */
  readonly forgetMs: number;
  /** Between two looks for those. */
  readonly sweepMs: number;
}

export const natsTiming: NatsTiming = {
  beatMs: 1000,
  deadlineMs: 3000,
  forgetMs: 86_400_000,
  sweepMs: 10_000,
};
