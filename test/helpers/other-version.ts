import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../ts/quickstart/command.js';
import { packageRoot } from '../../ts/util/paths.js';
import type { Owner } from './lab.js';

/** Fields that change places, by header. */
const SWAPS: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  'lb.h': [
    ['\t__u32 affinity;', '\t__u32 rate;'],
    ['\t__u32 generation;\t/* +1', '\t__u32 next;'],
    ['\t__u32 engaged;', '\t__u32 outside;'],
  ],
  'lb_flow.h': [['\t__u64 packets_in, bytes_in;', '\t__u64 packets_out, bytes_out;']],
};

/** Where the parts of a flow's word are in the other version: less of the hash, more of the age. */
const FLOW_BITS = {
  FLOW_AGE_BITS: 14,
  FLOW_STATE_SHIFT: 14,
  FLOW_GENERATION_SHIFT: 16,
  FLOW_BACKEND_SHIFT: 20,
  FLOW_TAG_SHIFT: 40,
} as const;

/**
 * Builds this version with other layouts of what is in the maps: records with their fields in another order, flows with their
 * parts elsewhere. @returns the daemon of it
 */
export function buildOtherVersion(owner: Owner): string {
  const root = mkdtempSync(join(tmpdir(), 'vipd-test-'));
  owner.teardown(async () => rmSync(root, { recursive: true }));
  for (const name of ['bpf', 'packaging', 'CMakeLists.txt', 'package.json'])
    cpSync(join(packageRoot, name), join(root, name), { recursive: true });
  mkdirSync(join(root, 'dist'));
  cpSync(join(packageRoot, 'dist/ts'), join(root, 'dist/ts'), { recursive: true });
  for (const name of ['node_modules', 'build']) symlinkSync(join(packageRoot, name), join(root, name));
  swapFields(root);
  rewrite(join(root, 'bpf/lb_flow.h'), moved(/( = )\d+/));
  rewrite(join(root, 'dist/ts/dataplane/ebpf/lb.gen.js'), moved(/(: )\d+/));
  run(['cmake', '-G', 'Ninja', '-S', root, '-B', join(root, 'made'), `-DOUT=${join(root, 'out')}`]);
  run(['cmake', '--build', join(root, 'made'), '--target', 'bpf_bpf']);
  return join(root, 'packaging/bin/vipd');
}

function moved(value: RegExp): (text: string) => string {
  return (text) =>
    Object.entries(FLOW_BITS).reduce((changed, [name, number]) => {
      return replaced(changed, new RegExp(`(${name})${value.source}`), `$1$2${number}`);
    }, text);
}

function swapFields(root: string): void {
  for (const [header, swaps] of Object.entries(SWAPS)) {
    rewrite(join(root, 'bpf', header), (text) =>
      swaps.reduce((changed, [one, other]) => replaced(changed, ...swap(one, other)), text),
    );
  }
}

/** Lines that begin so, one behind the other. */
function swap(one: string, other: string): [RegExp, string] {
  const line = (start: string) => `(${start.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')}[^\\n]*\\n)`;
  return [new RegExp(line(one) + line(other)), '$2$1'];
}

function replaced(text: string, pattern: RegExp, by: string): string {
  if (!pattern.test(text)) throw new Error(`nothing matches ${pattern}`);
  return text.replace(pattern, by);
}

function rewrite(path: string, change: (text: string) => string): void {
  writeFileSync(path, change(readFileSync(path, 'utf8')));
}
