import { spawnSync } from 'node:child_process';
import { VipdError } from '../../util/errors.js';
import { type Firewall, firewallIn, firewallScript, tableName } from './firewall.js';

/** Whether the program is there that sets the table. */
export function nftPresent(): boolean {
  return spawnSync('nft', ['--version'], { stdio: 'ignore', env: environment }).error === undefined;
}

/** Our table as the kernel has it; undefined when it has none, or not one of this version. @throws VipdError NFT_FAILED */
export function readFirewall(): Firewall | undefined {
  const { status, stdout } = nft(['-j', 'list', 'table', 'inet', tableName]);
  return status === 0 ? firewallIn(stdout) : undefined;
}

/** Makes the kernel's table from `before` what `after` says, all or nothing. @throws VipdError NFT_FAILED */
export function writeFirewall(before: Firewall | undefined, after: Firewall): void {
  const script = firewallScript(before, after);
  if (script !== undefined) carryOut(script);
}

export function removeFirewall(): void {
  nft(['delete', 'table', 'inet', tableName]);
}

/** Debian's before any other: a package of npm brings a program of this name, which ends well and does nothing. */
const environment = { ...process.env, PATH: `/usr/sbin:/sbin:${process.env.PATH}` };

function carryOut(script: string): void {
  const { status, stderr } = nft(['-f', '-'], script);
  if (status === 0) return;
  const cause = `nft refused it: ${stderr.split('\n')[0] ?? `status ${status}`}`;
  const hint =
    'the kernel needs CONFIG_NF_TABLES_INET, CONFIG_NFT_NAT, CONFIG_NFT_MASQ, CONFIG_NFT_FIB_INET and CONFIG_NFT_REJECT';
  throw new VipdError({ code: 'NFT_FAILED', object: `nftables table inet ${tableName}`, cause, hint });
}

function nft(args: readonly string[], input = ''): { status: number; stdout: string; stderr: string } {
  const done = spawnSync('nft', args, { input, encoding: 'utf8', maxBuffer: 1 << 28, env: environment });
  if (done.error === undefined) return { status: done.status ?? 1, stdout: done.stdout, stderr: done.stderr };
  throw new VipdError({
    code: 'NFT_MISSING',
    object: 'the program nft',
    cause: done.error.message,
    hint: 'install the package nftables',
  });
}
