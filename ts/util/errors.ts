/** What went wrong with which object, why, and what the operator can do about it. */
export interface Fault {
  /** Stable machine-readable name, UPPER_SNAKE; tests and clients compare this, never prose. */
  readonly code: string;
  /** The object the fault is about, as the operator named it: `service web`, `/etc/vipd/a.yaml:3:7`, `map vips`. */
  readonly object: string;
  /** The cause, as one clause without the object. */
  readonly cause: string;
  /** What to do about it. */
  readonly hint?: string;
}

/** The one error class of vipd; `fault` says everything, the message is made from it. */
export class VipdError extends Error {
  override readonly name = 'VipdError';
  readonly fault: Fault;

  constructor(fault: Fault, options?: ErrorOptions) {
    super(faultText(fault), options);
    this.fault = fault;
  }

  get code(): string {
    return this.fault.code;
  }
}

/** One line: `object: cause (hint)`. */
export function faultText(fault: Fault): string {
  const text = `${fault.object}: ${fault.cause}`;
  return fault.hint === undefined ? text : `${text} (${fault.hint})`;
}

/** A fault for anything thrown; unknown errors keep their message and get the code INTERNAL. */
export function faultOf(error: unknown, object: string): Fault {
  if (error instanceof VipdError) return error.fault;
  const cause = error instanceof Error ? error.message : String(error);
  return { code: 'INTERNAL', object, cause };
}
