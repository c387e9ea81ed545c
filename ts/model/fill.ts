/** How full a table of the kernel is. */
export interface Fill {
  /** `flows`, `exact_flows`, or `nat_ports`: source ports with full NAT, where fewest are left. */
  readonly table: string;
  /** By what gives way to nothing new. */
  readonly used: number;
  readonly limit: number;
  /** nat_ports: towards whom, and from which address. */
  readonly where?: string;
}

/** `flows 840,000 of 1,048,576 (80 %)`. */
export function fillText({ table, used, limit, where }: Fill): string {
  const share = `${table} ${used.toLocaleString('en')} of ${limit.toLocaleString('en')} (${percent(used, limit)} %)`;
  return where === undefined ? share : `${share}, ${where}`;
}

function percent(used: number, limit: number): number {
  return Math.floor((used * 100) / limit);
}
