import { Command } from 'commander';
import { faultText } from '../util/errors.js';
import { exitOf, exitStatusHelp } from '../util/exit.js';
import { addApply } from './commands/apply.js';
import { addBackends } from './commands/backends.js';
import { addCluster } from './commands/cluster.js';
import { addDns } from './commands/dns.js';
import { addDoctor } from './commands/doctor.js';
import { addDrain } from './commands/drain.js';
import { addEndpoints } from './commands/endpoints.js';
import { addEvents } from './commands/events.js';
import { addExec } from './commands/exec.js';
import { addExplain } from './commands/explain.js';
import { addFlows } from './commands/flows.js';
import { addLabels } from './commands/labels.js';
import { addMarathon } from './commands/marathon.js';
import { addMembers } from './commands/members.js';
import { addMode } from './commands/mode.js';
import { addRm } from './commands/rm.js';
import { addSet } from './commands/set.js';
import { addStatus } from './commands/status.js';
import { addTeardown } from './commands/teardown.js';
import { addVip } from './commands/vip.js';
import { addVips } from './commands/vips.js';
import { addWhere } from './commands/where.js';
import { Commands, type Terminal } from './session.js';

/** In the order of the help: look, change, watch, understand, leave. */
const commands = [
  ...[addStatus, addVips, addVip, addBackends, addWhere],
  ...[addEndpoints, addLabels, addMarathon],
  ...[addSet, addRm, addApply, addDrain, addMode],
  ...[addEvents, addFlows],
  ...[addExplain, addDoctor, addDns],
  ...[addMembers, addCluster],
  ...[addExec, addTeardown],
];

/** Runs `vipctl ARGS…` and resolves with its exit status; never rejects. */
export async function vipctl(args: readonly string[], terminal: Terminal, version: string): Promise<number> {
  const program = new Command('vipctl')
    .description('Look into and steer the vipd daemon of this node')
    .version(version)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.error })
    .addHelpText('after', exitStatusHelp);
  const bound = new Commands(program, terminal);
  for (const add of commands) add(bound);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return bound.status;
  } catch (error) {
    const { status, fault } = exitOf(error, 'vipctl');
    if (fault)
      terminal.error(
        args.includes('--json') ? `${JSON.stringify({ error: fault })}\n` : `vipctl: ${faultText(fault)}\n`,
      );
    return status;
  }
}
