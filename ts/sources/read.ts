import { isUtf8 } from 'node:buffer';
import { type BigIntStats, constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { type Fault, VipdError } from '../util/errors.js';

const MAX_FILE_BYTES = 64 * 1024 * 1024;

export interface FileText {
  readonly text: string;
  /** Changes whenever the file is written, replaced or touched. */
  readonly stamp: string;
}

/** Identity and version of a file, from its metadata alone. */
export function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

/**
 * The whole text of a regular file, at most 64 MiB of UTF-8. @throws VipdError FILE_IS_DIRECTORY, FILE_KIND,
 * FILE_TOO_LARGE, FILE_ENCODING, FILE_CHANGING (written to while it was read), FILE_UNREADABLE
 */
export async function readText(path: string): Promise<FileText> {
  // Without O_NONBLOCK a named pipe in the directory would stop the source until somebody writes to it.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw new VipdError(readFault(error, path), { cause: error });
  });
  try {
    const before = await file.stat({ bigint: true });
    refuseKind(before, path);
    const bytes = await file.readFile();
    const stamp = stampOf(await file.stat({ bigint: true }));
    if (stamp !== stampOf(before)) throw refusal('FILE_CHANGING', path, 'is being written', 'replace it by rename');
    return { text: decode(bytes, path), stamp };
  } finally {
    await file.close();
  }
}

/** Why the system would not let us read a path. */
export function readFault(error: unknown, path: string): Fault {
  if (error instanceof VipdError) return error.fault;
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  if (code === 'ENOENT') return { code: 'FILE_MISSING', object: path, cause: 'does not exist' };
  return { code: 'FILE_UNREADABLE', object: path, cause: `cannot be read: ${code}` };
}

function refuseKind(stats: BigIntStats, path: string): void {
  if (stats.isDirectory()) throw refusal('FILE_IS_DIRECTORY', path, 'is a directory, not a file');
  if (!stats.isFile()) throw refusal('FILE_KIND', path, 'is a device, pipe or socket, not a file');
  if (stats.size > MAX_FILE_BYTES) {
    throw refusal('FILE_TOO_LARGE', path, `has ${stats.size} bytes, at most ${MAX_FILE_BYTES} are read`, 'split it');
  }
}

function decode(bytes: Buffer, path: string): string {
  if (isUtf8(bytes)) return new TextDecoder().decode(bytes);
  let line = 1;
  let start = 0;
  for (let end = bytes.indexOf(10); end >= 0 && isUtf8(bytes.subarray(start, end)); end = bytes.indexOf(10, start)) {
    start = end + 1;
    line++;
  }
  const column =
    bytes
      .subarray(start, start + MAX_LINE_BYTES)
      .toString('utf8')
      .indexOf('\ufffd') + 1;
  throw refusal('FILE_ENCODING', `${path}:${line}:${column}`, 'is not UTF-8 from here on', 'save the file as UTF-8');
}

const MAX_LINE_BYTES = 65_536;

function refusal(code: string, object: string, cause: string, hint?: string): VipdError {
  return new VipdError({ code, object, cause, ...(hint === undefined ? {} : { hint }) });
}
