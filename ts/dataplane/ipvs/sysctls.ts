import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Fault, faultOf } from '../../util/errors.js';
import type { Timeouts } from './messages.js';
import type { IpvsTable } from './table.js';

const directory = '/proc/sys/net/ipv4/vs';

/** Long enough for a connection that has nothing to say (RFC 5382 asks for two hours and four minutes), seconds. */
export const timeouts: Timeouts = { tcp: 7_440, tcpFin: 120, udp: 300 };

/**
 * Settings of IPVS in the namespace (Documentation/networking/ipvs-sysctl.rst): masquerade needs conntrack; who talks to a
 * destination that is gone shall notice at once, also under persistence; and a client port that is used again means a new
 * connection, which before 5.9 cost it a second.
 */
export function wantedSysctls(kernelRelease: string): ReadonlyMap<string, string> {
  const [major = 0, minor = 0] = kernelRelease.split('.').map(Number);
  const reuse = major > 5 || (major === 5 && minor >= 9) ? '1' : '0';
  return new Map([
    ['conntrack', '1'],
    ['expire_nodest_conn', '1'],
    ['expire_quiescent_template', '1'],
    ['conn_reuse_mode', reuse],
  ]);
}

/** What was there before us. */
interface Before {
  readonly sysctls: Readonly<Record<string, string>>;
  readonly timeouts: Timeouts;
}

/**
 * Sets what differs, and keeps what was there in a file, for {@link restoreSettings}. What cannot be set is a fault each;
 * the rest is set all the same.
 */
export function applySettings(table: IpvsTable, wanted: ReadonlyMap<string, string>, file: string): readonly Fault[] {
  const faults = rememberOnce(table, wanted, file);
  for (const [name, value] of wanted) {
    try {
      if (read(name) !== value) writeFileSync(`${directory}/${name}`, value);
    } catch (error) {
      faults.push(unsettable(name, value, error));
    }
  }
  const now = table.timeouts();
  if (now.tcp !== timeouts.tcp || now.tcpFin !== timeouts.tcpFin || now.udp !== timeouts.udp)
    table.setTimeouts(timeouts);
  return faults;
}

/** Puts back what was there before the first {@link applySettings}, as far as that goes. */
export function restoreSettings(table: IpvsTable, file: string): void {
  const before = remembered(file);
  if (before === undefined) return;
  for (const [name, value] of Object.entries(before.sysctls)) {
    try {
      if (read(name) !== value) writeFileSync(`${directory}/${name}`, value);
    } catch {
      // Read-only now; it was said when it could not be set.
    }
  }
  table.setTimeouts(before.timeouts);
  rmSync(file, { force: true });
}

function rememberOnce(table: IpvsTable, wanted: ReadonlyMap<string, string>, file: string): Fault[] {
  if (remembered(file) !== undefined) return [];
  try {
    const sysctls = Object.fromEntries([...wanted.keys()].map((name) => [name, read(name)]));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(`${file}.new`, JSON.stringify({ sysctls, timeouts: table.timeouts() }));
    renameSync(`${file}.new`, file);
    return [];
  } catch (error) {
    return [faultOf(error, `settings of IPVS in ${file}`)];
  }
}

function remembered(file: string): Before | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

function read(name: string): string {
  return readFileSync(`${directory}/${name}`, 'utf8').trim();
}

function unsettable(name: string, value: string, error: unknown): Fault {
  const cause = `cannot be set to ${value}: ${error instanceof Error ? error.message : String(error)}`;
  const hint = `set it on the machine: sysctl -w net.ipv4.vs.${name}=${value}`;
  return { code: 'SYSCTL_UNSETTABLE', object: `sysctl net.ipv4.vs.${name}`, cause, hint };
}
