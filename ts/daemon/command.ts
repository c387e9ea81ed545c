import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { pino } from 'pino';
import type { DoctorReport } from '../api/routes/node.js';
import type { DataPlane } from '../dataplane/dataplane.js';
import { EbpfDataPlane } from '../dataplane/ebpf/ebpf.js';
import { IpvsDataPlane } from '../dataplane/ipvs/ipvs.js';
import { cgroup2Mount } from '../libbpf/features.js';
import { faultText, VipdError } from '../util/errors.js';
import { exitOf, exitStatus, exitStatusHelp } from '../util/exit.js';
import type { Logger } from '../util/logger.js';
import { packageVersion } from '../util/version.js';
import { clusterCommand, clusterVerbs } from './clusterkeys.js';
import { runDaemon } from './daemon.js';
import { doctor } from './doctor.js';
import { dryRun, dryRunText } from './dryrun.js';
import { addFlags, flagsOf } from './flags.js';
import { HostMachine } from './machine.js';
import { type DaemonOptions, defaultConfig, parseOptions } from './options.js';
import { PlaneState } from './planestate.js';
import { checkAllPrivileges, checkPrivilege } from './privilege.js';
import { uninstall } from './uninstall.js';

/** Runs `vipd ARGS…` and resolves with its exit status; what is wrong is on standard error, one line each. */
export async function main(args: readonly string[]): Promise<number> {
  let status: number = exitStatus.ok;
  const program = new Command('vipd')
    .description('East-west layer-4 load balancer of this node: runs in the foreground until SIGTERM or SIGINT')
    .version(packageVersion())
    .option('--config <file>', `configuration file (default: ${defaultConfig}, if it is there)`)
    .option('--dry-run', 'read the services files, print what would be programmed, and end')
    .exitOverride()
    .addHelpText('after', exitStatusHelp);
  addFlags(program);
  const bind = (run: (options: DaemonOptions) => Promise<number>) => async () => {
    const options = readOptions(program);
    status = options === undefined ? exitStatus.usage : await run(options);
  };
  program.action(bind((options) => (program.opts().dryRun === true ? printDryRun(options) : serve(options))));
  program.command('uninstall').description('remove everything from the kernel; no daemon may run').action(bind(remove));
  program.command('doctor').description('what this machine offers, as JSON; see vipctl doctor').action(bind(examine));
  program
    .command('cluster <verb> [file]')
    .description(`the cluster key of this machine: ${clusterVerbs.join(', ')}; see vipctl cluster`)
    .action(async (verb: string, file: string | undefined) => {
      await bind(async (options) => tellCluster(verb, options, file))();
    });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return status;
  } catch (error) {
    const ended = exitOf(error, 'vipd');
    if (ended.fault) complain(faultText(ended.fault));
    return ended.status;
  }
}

/** undefined, and every fault on standard error, when they cannot be used. */
function readOptions(program: Command): DaemonOptions | undefined {
  const { options, faults } = parseOptions(readConfig(program.opts().config), flagsOf(program));
  for (const fault of faults) complain(faultText(fault));
  return faults.length === 0 ? options : undefined;
}

function readConfig(named: string | undefined): { name: string; text: string } | undefined {
  const name = named ?? defaultConfig;
  try {
    return { name, text: readFileSync(name, 'utf8') };
  } catch (error) {
    if (named === undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new VipdError({ code: 'FILE_UNREADABLE', object: name, cause: (error as Error).message }, { cause: error });
  }
}

async function serve(options: DaemonOptions): Promise<number> {
  checkPrivilege();
  // Whatever is made from now on, the socket above all, is never for everybody, not even for a moment.
  process.umask(0o007);
  const stop = new AbortController();
  // The first signal ends it in order; a second one has its default effect.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  const logger = pino({ level: options.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime });
  const cgroup = cgroupOf(options);
  const planes = planesOf(options, cgroup, logger);
  const machine = new HostMachine(options);
  const examination = async (plane: Pick<DataPlane, 'hooks' | 'tables'>) => report(options, plane);
  const modules = { planes, machine, logger, version: packageVersion(), cgroup, doctor: examination };
  await runDaemon(options, modules, stop.signal);
  return exitStatus.ok;
}

async function remove(options: DaemonOptions): Promise<number> {
  checkAllPrivileges();
  const logger = pino({ level: 'warn', base: null }, pino.destination(2));
  const planes = planesOf(options, cgroupOf(options), logger);
  await uninstall(options, { planes, machine: new HostMachine(options), logger });
  new PlaneState(join(options.stateDir, 'plane.json')).save({});
  return exitStatus.ok;
}

async function tellCluster(word: string, options: DaemonOptions, file: string | undefined): Promise<number> {
  const verb = clusterVerbs.find((one) => one === word);
  if (verb === undefined) {
    const hint = `one of ${clusterVerbs.join(', ')}`;
    throw new VipdError({ code: 'USAGE_INVALID', object: `cluster ${word}`, cause: 'no such verb', hint });
  }
  process.stdout.write(`${clusterCommand(verb, options, file)}\n`);
  return exitStatus.ok;
}

async function printDryRun(options: DaemonOptions): Promise<number> {
  const run = await dryRun(options, new HostMachine(options));
  process.stdout.write(`${dryRunText(run)}\n`);
  for (const fault of run.faults) complain(faultText(fault));
  return run.faults.length === 0 ? exitStatus.ok : exitStatus.failed;
}

async function examine(options: DaemonOptions): Promise<number> {
  const found = report(options, undefined);
  process.stdout.write(`${JSON.stringify(found)}\n`);
  return found.ok ? exitStatus.ok : exitStatus.failed;
}

function report(options: DaemonOptions, plane: Parameters<typeof doctor>[1]): DoctorReport {
  return doctor({ ...options, cgroup: options.cgroup ?? cgroup2Mount() }, plane);
}

function planesOf(options: DaemonOptions, cgroup: string, logger: Logger): readonly DataPlane[] {
  const { bpffs, sampleConnections, tunnelSources, passiveHealth } = options;
  const interfaces = {
    tc: options['interfaces.tc'],
    xdp: options['interfaces.xdp'],
    xdpMode: options['interfaces.xdpMode'],
  };
  const limits = {
    vips: options['limits.vips'],
    backends: options['limits.backends'],
    flows: options['limits.flows'],
    exactFlows: options['limits.exactFlows'],
  };
  const sever = options.sever ? { delayMs: options.severDelay } : undefined;
  const redirect = options['interfaces.redirect'];
  const redirectRemote = options['interfaces.redirectRemote'];
  const fullNat = { ports: options['fullNat.ports'], sources: options['fullNat.sources'] };
  const sock = { passiveHealth, datagrams: options['sock.datagrams'], optOut: options['sock.optOut'] };
  const taken = { bpffs, cgroup, interfaces, redirect, redirectRemote, fullNat, tunnelSources, sock };
  const ebpf = new EbpfDataPlane({ ...taken, limits, sampleConnections, sever }, { logger });
  const ipvs = new IpvsDataPlane({ settingsFile: join(options.stateDir, 'ipvs-settings.json') }, { logger });
  return [ebpf, ipvs];
}

/** Where none is mounted the eBPF plane will say so. */
function cgroupOf(options: DaemonOptions): string {
  return options.cgroup ?? cgroup2Mount() ?? '/sys/fs/cgroup';
}

function complain(text: string): void {
  process.stderr.write(`vipd: ${text}\n`);
}
