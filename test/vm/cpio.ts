/** A file of an archive; one without content is a directory. */
export interface ArchiveFile {
  /** Without a leading slash. Directories come before what is in them. */
  readonly path: string;
  readonly content?: Uint8Array | string;
  readonly executable?: boolean;
}

const DIRECTORY = 0o040755;
const PLAIN = 0o100644;
const EXECUTABLE = 0o100755;
const TRAILER = 'TRAILER!!!';

/** Pure: an archive as the kernel unpacks it into its first root (newc, Documentation/driver-api/early-userspace). */
export function cpio(files: readonly ArchiveFile[]): Buffer {
  const entries = files.map((file, i) => entry(i + 1, modeOf(file), file.path, Buffer.from(file.content ?? '')));
  return Buffer.concat([...entries, entry(0, 0, TRAILER, Buffer.alloc(0))]);
}

function modeOf({ content, executable }: ArchiveFile): number {
  if (content === undefined) return DIRECTORY;
  return executable === true ? EXECUTABLE : PLAIN;
}

/** Header of eight-digit numbers, name with its NUL, content; both padded to 4 bytes. */
function entry(inode: number, mode: number, path: string, content: Buffer): Buffer {
  const name = Buffer.from(`${path}\0`);
  const [uid, gid, links, time, device] = [0, 0, 1, 0, 0];
  const numbers = [inode, mode, uid, gid, links, time, content.length, device, device, device, device, name.length, 0];
  const header = Buffer.from(`070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`);
  return Buffer.concat([padded(Buffer.concat([header, name])), padded(content)]);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
