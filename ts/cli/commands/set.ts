import { InvalidArgumentError } from 'commander';
import type { Input } from '../../api/routes/route.js';
import type { Routes } from '../../api/routes/routes.js';
import { VipdError } from '../../util/errors.js';
import { exitStatus } from '../../util/exit.js';
import type { Commands } from '../session.js';

type Body = Input<Routes['setService']>['body'];
type Backend = Extract<Body['backends'][number], object>;

interface Options {
  readonly vip: string;
  readonly protocol: 'tcp' | 'udp';
  readonly backend: readonly Backend[];
  readonly schedule?: Body['schedule'];
  readonly affinity?: string;
  readonly prefer?: 'node' | 'zone';
  readonly spillover?: number;
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly connectionRate?: number;
  readonly health?: 'tcp' | 'http' | 'command';
  readonly healthInterval?: string;
  readonly healthTimeout?: string;
  readonly healthRise?: number;
  readonly healthFall?: number;
  readonly healthPath?: string;
  readonly healthHost?: string;
  readonly healthPort?: number;
  readonly healthCommand?: readonly string[];
  readonly forwarding?: Body['forwarding'];
  readonly exact?: true;
  readonly clampMss?: number;
}

export function addSet(commands: Commands): void {
  commands
    .add('set <name>', 'define a service, or replace its definition; kept over restarts')
    .requiredOption('--vip <address:port>', 'where clients connect; or NAME.FRAMEWORK:PORT')
    .option('--protocol <tcp|udp>', 'what clients speak', 'tcp')
    .option('--backend <address:port[=weight][@zone]>', 'a server behind the VIP; once for each', addBackend, [])
    .option('--schedule <name>', 'maglev, random, round-robin, least-connections or latency')
    .option('--affinity <duration>', 'a client keeps its backend until it has opened no connection for so long')
    .option('--prefer <node|zone>', 'backends that are near, while enough of them are usable')
    .option('--spillover <percent>', 'of the near ones: with fewer usable the others join in', wholeNumber)
    .option('--allow <prefix>', 'only these sources may connect; once for each', addText)
    .option('--deny <prefix>', 'these may not; once for each', addText)
    .option('--connection-rate <n>', 'new connections a second from one source', wholeNumber)
    .option('--forwarding <mode>', 'nat, full-nat, tunnel or direct: how packets get to the backends')
    .option('--exact', 'track connections by all of their ends, with counts')
    .option('--clamp-mss <bytes>', 'lower the MSS of SYNs', wholeNumber)
    .option('--health <tcp|http|command>', 'check every backend so')
    .option('--health-interval <duration>', 'time between checks, as 2s')
    .option('--health-timeout <duration>', 'time a check may take')
    .option('--health-rise <n>', 'successes in a row that make a backend healthy', wholeNumber)
    .option('--health-fall <n>', 'failures in a row that make it unhealthy', wholeNumber)
    .option('--health-path <path>', 'http: what to ask for')
    .option('--health-host <name>', 'http: the Host header')
    .option('--health-port <port>', "tcp, http: check this port instead of the backend's", wholeNumber)
    .option('--health-command <argv...>', 'command: the program and its arguments')
    .action(
      commands.action(async (session, name: string, options: Options) => {
        const service = await session.client.setService({ name, body: bodyOf(options) });
        const { vip, protocol = 'tcp', backends } = service;
        session.print(service, () => `service ${name} is ${protocol}/${vip} with ${backends.length} backends`);
        return exitStatus.ok;
      }),
    );
}

function bodyOf(options: Options): Body {
  const { vip, protocol, backend } = options;
  const health = healthOf(options);
  return { vip, protocol, backends: backend, ...(health && { health }), ...policyOf(options) };
}

function policyOf(options: Options): Partial<Body> {
  const { schedule, affinity, prefer, spillover, allow, deny, connectionRate } = options;
  const { forwarding, exact, clampMss } = options;
  if (spillover !== undefined && prefer === undefined)
    throw new VipdError({ code: 'USAGE_INVALID', object: '--spillover', cause: 'needs --prefer node or zone' });
  return {
    ...(schedule !== undefined && { schedule }),
    ...(affinity !== undefined && { affinity }),
    ...(prefer !== undefined && { locality: { prefer, ...(spillover !== undefined && { spillover }) } }),
    ...(allow !== undefined && { allow: [...allow] }),
    ...(deny !== undefined && { deny: [...deny] }),
    ...(connectionRate !== undefined && { connectionRate }),
    ...(forwarding !== undefined && { forwarding }),
    ...(exact !== undefined && { exact }),
    ...(clampMss !== undefined && { clampMss }),
  };
}

function healthOf(options: Options): Body['health'] {
  const { healthCommand, healthFall, healthHost, healthInterval, healthPath, healthPort, healthRise, healthTimeout } =
    options;
  const details = {
    ...(healthInterval !== undefined && { interval: healthInterval }),
    ...(healthTimeout !== undefined && { timeout: healthTimeout }),
    ...(healthRise !== undefined && { rise: healthRise }),
    ...(healthFall !== undefined && { fall: healthFall }),
    ...(healthPath !== undefined && { path: healthPath }),
    ...(healthHost !== undefined && { host: healthHost }),
    ...(healthPort !== undefined && { port: healthPort }),
    ...(healthCommand !== undefined && { command: healthCommand }),
  };
  if (options.health !== undefined) return { type: options.health, ...details };
  if (Object.keys(details).length === 0) return undefined;
  throw new VipdError({ code: 'USAGE_INVALID', object: '--health-…', cause: 'needs --health tcp, http or command' });
}

/** `10.0.0.1:80`, `10.0.0.1:80=3` or `10.0.0.1:80=3@zone`; the daemon checks the address. */
function addBackend(text: string, before: readonly Backend[]): readonly Backend[] {
  const [place = '', zone, ...zones] = text.split('@');
  const [address = '', weight, ...more] = place.split('=');
  if (more.length > 0 || zones.length > 0)
    throw new InvalidArgumentError('ADDRESS:PORT, ADDRESS:PORT=WEIGHT or ADDRESS:PORT=WEIGHT@ZONE is wanted');
  const options = { ...(weight !== undefined && { weight: wholeNumber(weight) }), ...(zone !== undefined && { zone }) };
  return [...before, { address, ...options }];
}

function addText(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('a whole number is wanted');
}
