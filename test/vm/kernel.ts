import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { run } from '../../ts/quickstart/command.js';
import { packageRoot } from '../../ts/util/paths.js';
import { type ArchiveFile, cpio } from './cpio.js';

/** A stock kernel of Debian 12, unpacked; nothing of it is ever installed. */
export interface Kernel {
  readonly name: KernelName;
  /** As `uname -r` says in the guest. */
  readonly release: string;
  /** ELF image that QEMU starts without a boot loader. */
  readonly image: string;
  /** The directory that is /lib/modules/RELEASE in the guest. */
  readonly modules: string;
  /** First root: busybox and the modules without which the root cannot be mounted. */
  readonly initrd: string;
}

/** Meta packages that name the current image of the series; the cloud flavour has all we use and is the smallest. */
const series = { '6.1': 'linux-image-cloud-amd64', '6.12': 'linux-image-6.12-cloud-amd64' } as const;
export type KernelName = keyof typeof series;
export const kernelNames = Object.keys(series) as KernelName[];

/** What the first root needs; each brings what it depends on, where it is not built in. */
const bootModules = ['virtio_pci', 'virtio_console', 'fuse', 'virtiofs', 'overlay'];

const cache = join(packageRoot, 'out', 'vm');
/** kmod and busybox-static, unpacked: a container has neither, and guests load modules on demand. */
export const tools = join(cache, 'tools');

/** Downloads and unpacks it unless that has been done. @throws VipdError COMMAND_FAILED when apt cannot */
export function kernel(name: KernelName): Kernel {
  if (!existsSync(tools)) complete(tools, (place) => unpack(['kmod', 'busybox-static'], place));
  const place = join(cache, name);
  if (!existsSync(place)) complete(place, (fresh) => prepare(series[name], fresh));
  const [release = ''] = readdirSync(join(place, 'lib/modules'));
  return {
    name,
    release,
    image: join(place, 'vmlinux'),
    modules: join(place, 'lib/modules', release),
    initrd: join(place, 'initrd'),
  };
}

/** A directory is there whole or not at all. */
function complete(place: string, make: (fresh: string) => void): void {
  const fresh = `${place}.${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  make(fresh);
  renameSync(fresh, place);
}

function prepare(meta: string, place: string): void {
  const image = /Depends: (linux-image-\S+)/.exec(dependsOf(meta))?.[1];
  if (image === undefined) throw new Error(`${meta} names no kernel image; run: apt-get update`);
  unpack([image], place);
  if (existsSync(join(place, 'usr/lib/modules'))) renameSync(join(place, 'usr/lib'), join(place, 'lib'));
  const [release = ''] = readdirSync(join(place, 'lib/modules'));
  writeFileSync(join(place, 'vmlinux'), elfIn(readFileSync(join(place, 'boot', `vmlinuz-${release}`))));
  rmSync(join(place, 'boot'), { recursive: true });
  run([join(tools, 'depmod'), '-b', place, release]);
  writeFileSync(join(place, 'initrd'), firstRoot(place, release));
}

function dependsOf(meta: string): string {
  const known = spawnSync('apt-cache', ['depends', meta], { encoding: 'utf8' });
  if (known.status === 0 && known.stdout !== '') return known.stdout;
  run(['apt-get', '-q', 'update']);
  return run(['apt-cache', 'depends', meta]);
}

function unpack(packages: readonly string[], place: string): void {
  const debs = join(place, 'debs');
  mkdirSync(debs);
  const done = spawnSync('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', ...packages], { cwd: debs });
  if (done.status !== 0) throw new Error(`apt-get download ${packages.join(' ')}: ${String(done.stderr).trim()}`);
  for (const deb of readdirSync(debs)) run(['dpkg', '-x', join(debs, deb), place]);
  rmSync(debs, { recursive: true });
  const kmod = [join(place, 'bin/kmod'), join(place, 'usr/bin/kmod')].find(existsSync);
  if (kmod !== undefined)
    for (const name of ['modprobe', 'depmod']) run(['ln', '-s', kmod.slice(place.length + 1), join(place, name)]);
}

/** How an image may be compressed: the first bytes, and what undoes it. */
const compressions: readonly (readonly [string, readonly string[]])[] = [
  ['fd377a585a00', ['xz', '-dc']],
  ['28b52ffd', ['zstd', '-dcq']],
  ['02214c18', ['lz4', '-dc']],
  ['1f8b08', ['gzip', '-dc']],
];

/** Emulation would spend a second on decompression at every boot. Behind the payload the image goes on, so tools complain. */
function elfIn(image: Buffer): Buffer {
  for (const [magic, [command = '', ...args]] of compressions) {
    for (let at = image.indexOf(magic, 0, 'hex'); at >= 0; at = image.indexOf(magic, at + 1, 'hex')) {
      const { stdout } = spawnSync(command, args, { input: image.subarray(at), maxBuffer: 1 << 28 });
      if (stdout?.subarray(0, 4).toString('latin1') === '\x7fELF') return stdout;
    }
  }
  throw new Error('no ELF image in the kernel; lz4, xz-utils and zstd must be installed');
}

function firstRoot(place: string, release: string): Buffer {
  const files = bootModules.flatMap((name) =>
    run([join(tools, 'modprobe'), '-d', place, '-S', release, '--show-depends', name]).split('\n'),
  );
  const paths = [...new Set(files.flatMap((line) => /^insmod (\S+)/.exec(line)?.[1] ?? []))];
  const modules = paths.map((path): ArchiveFile => {
    return { path: `modules/${basename(path).replace(/\.xz$/, '')}`, content: plainModule(path) };
  });
  const order = modules.map(({ path }) => `/${path}\n`).join('');
  const directories = ['bin', 'modules', 'dev', 'proc', 'sys', 'new'].map((path) => ({ path }));
  return cpio([
    ...directories,
    { path: 'bin/busybox', content: readFileSync(join(tools, 'bin/busybox')), executable: true },
    ...modules,
    { path: 'modules.order', content: order },
  ]);
}

function plainModule(path: string): Buffer {
  const bytes = readFileSync(path);
  return path.endsWith('.xz') ? spawnSync('xz', ['-dc'], { input: bytes, maxBuffer: 1 << 26 }).stdout : bytes;
}
