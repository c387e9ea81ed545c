import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The directory of package.json; this file is dist/ts/util/paths.js below it. */
export const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** The native addon, for every Node ≥ 20. */
export const addonFile = join(packageRoot, 'build', 'Release', 'vipd.node');

/** A compiled BPF object, by the name of its source. */
export function bpfObject(name: string): string {
  return join(packageRoot, 'out', 'bpf', `${name}.bpf.o`);
}
