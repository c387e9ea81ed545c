import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { steadyMs, steadyOf } from '../util/clock.js';
import { VipdError } from '../util/errors.js';
import type { Replica } from './replica.js';
import type { Heard } from './store.js';
import { snapshotCodec } from './wire.js';

/** What a node knew when it was last running. */
export interface Snapshot {
  /** Of the life that wrote it. */
  readonly incarnation: number;
  readonly kept: readonly Heard[];
}

const NOTHING: Snapshot = { incarnation: 0, kept: [] };

/** Nothing where there is no file; what is torn counts as nothing too, since the others know it all. */
export async function readSnapshot(path: string): Promise<Snapshot> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return NOTHING;
    throw unusable(path, 'read', error);
  }
  try {
    const { incarnation, kept } = snapshotCodec.decode(bytes);
    return { incarnation, kept: kept.map(({ signed, heardMs }) => ({ signed, at: steadyOf(heardMs) })) };
  } catch {
    return NOTHING;
  }
}

/** Replaces the file as a whole. @throws VipdError CLUSTER_STATE_UNUSABLE */
export async function writeSnapshot(path: string, incarnation: number, replica: Replica): Promise<void> {
  // The steady clock begins anew with the machine; only wall time means something to the next life.
  const ahead = Date.now() - steadyMs();
  const kept = [...replica.holdings()].flatMap(({ entries, heard }) =>
    Array.from(entries.values(), ({ signed }) => ({ signed, heardMs: heard + ahead })),
  );
  const bytes = snapshotCodec.encode({ incarnation, kept });
  const temporary = `${path}.tmp-${process.pid}`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    throw unusable(path, 'written', error);
  }
}

function unusable(path: string, verb: string, error: unknown): VipdError {
  const cause = `could not be ${verb}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`;
  return new VipdError({ code: 'CLUSTER_STATE_UNUSABLE', object: path, cause }, { cause: error });
}
