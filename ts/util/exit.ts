import { CommanderError } from 'commander';
import { type Fault, faultOf } from './errors.js';

/** Exit statuses of vipctl and vipd, as documented in their help. 77 is EX_NOPERM of sysexits.h. */
export const exitStatus = { ok: 0, failed: 1, usage: 2, unreachable: 3, denied: 77 } as const;

export const exitStatusHelp = `
Exit status:
  0   done
  1   failed, not found, or not healthy
  2   wrong usage
  3   no daemon answers on the socket
  77  a privilege is missing
`;

export function exitStatusOf(fault: Fault): number {
  if (fault.code === 'DAEMON_UNREACHABLE') return exitStatus.unreachable;
  if (fault.code === 'SOCKET_DENIED' || fault.code === 'PRIVILEGE_MISSING') return exitStatus.denied;
  return fault.code === 'USAGE_INVALID' ? exitStatus.usage : exitStatus.failed;
}

/** Commander reports help and version as errors with status 0, and has said everything there is to say. */
export function exitOf(error: unknown, object: string): { readonly status: number; readonly fault?: Fault } {
  if (error instanceof CommanderError) return { status: error.exitCode === 0 ? exitStatus.ok : exitStatus.usage };
  const fault = faultOf(error, object);
  return { status: exitStatusOf(fault), fault };
}
