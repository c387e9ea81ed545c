import { execFile, spawnSync } from 'node:child_process';
import { ownTable as tableName } from '../../netlink/firewall.js';
import { VipdError } from '../../util/errors.js';
import { type Firewall, firewallIn } from './firewall.js';

/** Whether the program is there that sets the table. */
export function nftPresent(): boolean {
  return spawnSync('nft', ['--version'], { stdio: 'ignore', env: environment }).error === undefined;
}

/** Our table as the kernel has it; undefined when it has none, or not one of this version. @throws VipdError NFT_FAILED */
export async function readFirewall(): Promise<Firewall | undefined> {
  const { status, stdout } = await nft(['-j', 'list', 'table', 'inet', tableName]);
  return status === 0 ? firewallIn(stdout) : undefined;
}

export async function removeFirewall(): Promise<void> {
  await nft(['delete', 'table', 'inet', tableName]);
}

/** Debian's before any other: a package of npm brings a program of this name, which ends well and does nothing. */
const environment = { ...process.env, PATH: `/usr/sbin:/sbin:${process.env.PATH}` };

/** Carries out a script for nft(8), all or nothing. @throws VipdError NFT_FAILED */
export async function writeFirewall(script: string): Promise<void> {
  const { status, stderr } = await nft(['-f', '-'], script);
  if (status === 0) return;
  const cause = `nft refused it: ${stderr.split('\n')[0] ?? `status ${status}`}`;
  const hint =
    'the kernel needs CONFIG_NF_TABLES_INET, CONFIG_NFT_NAT, CONFIG_NFT_MASQ, CONFIG_NFT_FIB_INET and CONFIG_NFT_REJECT';
  throw new VipdError({ code: 'NFT_FAILED', object: `nftables table inet ${tableName}`, cause, hint });
}

interface Done {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Beside the event loop: with thousands of VIPs it takes its time. */
function nft(args: readonly string[], input = ''): Promise<Done> {
  return new Promise((resolve, reject) => {
    const options = { encoding: 'utf8', maxBuffer: 1 << 28, env: environment } as const;
    const child = execFile('nft', args, options, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') reject(missing(error));
      else resolve({ status: Number(error?.code ?? 0), stdout, stderr });
    });
    child.stdin?.on('error', () => {}); // it ended before it had read all; its status says why
    child.stdin?.end(input);
  });
}

function missing({ message }: Error): VipdError {
  const hint = 'install the package nftables';
  return new VipdError({ code: 'NFT_MISSING', object: 'the program nft', cause: message, hint });
}
