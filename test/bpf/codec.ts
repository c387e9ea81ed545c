import { readFileSync } from 'node:fs';
import { Btf } from '../../ts/libbpf/btf.js';
import { type Codec, codecFor } from '../../ts/libbpf/codec.js';
import { BpfObject } from '../../ts/libbpf/object.js';
import { bpfObject } from '../../ts/util/paths.js';

let btf: Btf | undefined;

/** For a struct of bpf/lb.h, as the packet programs have it. */
export function codecOf<T>(struct: string): Codec<T> {
  btf ??= Btf.parse(BpfObject.open(readFileSync(bpfObject('tc_lb')), 'tc_lb').btf);
  return codecFor<T>(btf, btf.struct(struct), struct);
}
