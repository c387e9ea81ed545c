import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BpfObject } from '../../ts/libbpf/object.js';
import { packageRoot } from '../../ts/util/paths.js';

// The objects of test/native/fixtures.

export function fixtureBytes(name: string): Buffer {
  return readFileSync(join(packageRoot, 'out', 'test', `${name}.bpf.o`));
}

export function openFixture(name = 'probe'): BpfObject {
  return BpfObject.open(fixtureBytes(name), name);
}

/** Eight bytes: `struct key` of probe.bpf.c. */
export function key(id: number, zone = 0): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(id, 0);
  bytes.writeUInt32LE(zone, 4);
  return bytes;
}

/** Sixteen bytes: `struct value` of probe.bpf.c. */
export function value(packets: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(BigInt(packets), 0);
  return bytes;
}

export function u32(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}

/** The sum of a `counters` slot over all CPUs. */
export function counted(slots: Buffer): number {
  let sum = 0;
  for (let at = 0; at < slots.length; at += 8) sum += slots.readUInt32LE(at);
  return sum;
}
