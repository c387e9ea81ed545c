import { statSync } from 'node:fs';
import { relative } from 'node:path';
import type { Codec } from '../../libbpf/codec.js';
import { cgroup2Mount } from '../../libbpf/features.js';
import type { BpfMap } from '../../libbpf/map.js';
import { LbSize, type OptOut } from './lb.gen.js';
import { indexBytes } from './mirror.js';

/** Cgroups whose processes the sock hook leaves alone. One that does not exist yet is found at the next look. */
export class OptOuts {
  #written: Buffer | undefined;

  /** @param paths of directories of the cgroup-v2 hierarchy, at most OPT_OUTS_MAX */
  constructor(
    readonly map: BpfMap,
    readonly codec: Codec<OptOut>,
    readonly paths: readonly string[],
  ) {}

  /** Writes what the directories are now: one that was made anew has another id. */
  look(): void {
    const root = cgroup2Mount() ?? '/sys/fs/cgroup';
    const found = this.paths.flatMap((path) => optOut(path, root) ?? []);
    const bytes = Buffer.alloc(LbSize.OPT_OUTS_MAX * this.map.valueStride);
    for (const [i, one] of found.entries()) this.codec.encode(one, bytes, i * this.map.valueStride);
    if (this.#written?.equals(bytes)) return;
    const indexes = Array.from({ length: LbSize.OPT_OUTS_MAX }, (_, i) => i);
    this.map.setBatch(indexBytes(indexes), bytes, indexes.length);
    this.#written = bytes;
  }
}

/** undefined while there is no such directory. @param root where the hierarchy is mounted */
export function optOut(path: string, root: string): OptOut | undefined {
  const id = statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
  const steps = relative(root, path).split('/');
  if (id === undefined || steps[0] === '' || steps[0] === '..') return undefined;
  return { id, level: steps.length, reserved: 0 };
}
