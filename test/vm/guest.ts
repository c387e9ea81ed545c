import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { until } from '../../ts/quickstart/until.js';
import { packageRoot } from '../../ts/util/paths.js';
import { cpio } from './cpio.js';
import { type Kernel, tools } from './kernel.js';

export interface GuestOptions {
  readonly kernel: Kernel;
  /** Milliseconds until the guest is killed. */
  readonly timeoutMs: number;
  /** MiB. */
  readonly memory?: number;
  readonly cpus?: number;
  /** Directories of the host the guest may write to; all else it writes is gone when it ends. */
  readonly writable?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** One guest instruction is one nanosecond of guest time: for counting, three times slower. */
  readonly counting?: boolean;
  /** Takes what the command writes to standard output and error, as it comes. */
  readonly onOutput?: (text: string) => void;
}

/** How a command in a guest ended. */
export interface Ended {
  readonly status: number;
  readonly output: string;
}

/** Where all that the kernel of the last guest has said is kept. */
function consoleOf(kernel: Kernel): string {
  return `${kernel.image}.console`;
}

/** A directory of the host as the guest mounts it. */
interface Share {
  readonly tag: string;
  readonly directory: string;
  readonly writable: boolean;
}

/**
 * Boots a machine under software emulation whose root is this machine's, read-only with a layer on top that is thrown
 * away; runs the command there in the project's directory; resolves when it has ended.
 * @throws Error with the console's last lines when the guest does not come up, dies or takes too long
 */
export async function runInGuest(options: GuestOptions, command: readonly string[]): Promise<Ended> {
  const guest = new Guest(options);
  try {
    return await guest.run(command);
  } finally {
    guest.discard();
  }
}

class Guest {
  private readonly place = mkdtempSync(join(tmpdir(), 'vipd-guest-'));
  private readonly children: ChildProcess[] = [];
  private readonly shares: readonly Share[];
  private readonly abandon = () => this.discard();

  constructor(private readonly options: GuestOptions) {
    const { writable = [] } = options;
    this.shares = [
      ...mountPoints().map((directory, i) => ({ tag: i === 0 ? 'root' : `root${i}`, directory, writable: false })),
      ...writable.map((directory, i) => ({ tag: `writable${i}`, directory, writable: true })),
    ];
    process.once('exit', this.abandon);
  }

  async run(command: readonly string[]): Promise<Ended> {
    this.describe(command);
    for (const share of this.shares) this.serve(share);
    await until('the servers of the guest root', 20_000, async () =>
      this.shares.every(({ tag }) => existsSync(this.file(tag))),
    );
    const qemu = this.spawn(['qemu-system-x86_64', ...this.machine(), ...this.devices(), ...this.boot()], 'pipe');
    let output = '';
    qemu.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      this.options.onOutput?.(text);
    });
    const late = setTimeout(() => qemu.kill('SIGKILL'), this.options.timeoutMs);
    await once(qemu, 'close');
    clearTimeout(late);
    const status = /^\d+/.exec(this.read('status'))?.[0];
    if (status === undefined) throw new Error(this.complaint(output));
    return { status: Number(status), output };
  }

  /** Ends what runs and removes the run's files. Synchronous, for a process on its way out. */
  discard(): void {
    process.removeListener('exit', this.abandon);
    for (const child of this.children) child.kill('SIGKILL');
    this.keepConsole();
    rmSync(this.place, { recursive: true, force: true });
  }

  private file(name: string): string {
    return join(this.place, name);
  }

  private read(name: string): string {
    return existsSync(this.file(name)) ? readFileSync(this.file(name), 'utf8') : '';
  }

  private keepConsole(): void {
    if (existsSync(this.file('console'))) copyFileSync(this.file('console'), consoleOf(this.options.kernel));
  }

  private complaint(output: string): string {
    const tail = `${output}\n${this.read('console')}\n${this.read('qemu.log')}`
      .trim()
      .split(/\r?\n/)
      .slice(-30)
      .join('\n');
    return `the guest with kernel ${this.options.kernel.release} ended without a status; its console: ${consoleOf(this.options.kernel)}\n${tail}`;
  }

  /** What init.sh reads: the kernel unpacks one archive behind the other into its first root. */
  private describe(command: readonly string[]): void {
    const { kernel, environment = {} } = this.options;
    const tagged = (writable: boolean) =>
      this.shares.filter((share) => share.writable === writable).map(({ tag, directory }) => `${tag}:${directory}`);
    const place = realpathSync(kernel.modules);
    const root = mountPointOf(place);
    const layer = this.shares.find(({ directory }) => directory === root)?.tag ?? 'root';
    const modules = `/layers/${layer}/${place.slice(root === '/' ? 1 : root.length + 1)}`;
    const settings = {
      SHARES: tagged(false).join(' '),
      WRITABLE: tagged(true).join(' '),
      RELEASE: kernel.release,
      MODULES: modules,
      TOOLS: tools,
      DIRECTORY: packageRoot,
      INODES: '20000',
    };
    const exported = { HOME: '/root', PATH: `${dirname(process.execPath)}:${process.env.PATH}`, ...environment };
    const lines = Object.entries(exported).map(([name, value]) => `export ${name}=${quoted(value)}`);
    const script = (name: string) => readFileSync(join(packageRoot, 'test/vm', name));
    const archive = cpio([
      { path: 'init', content: script('init.sh'), executable: true },
      { path: 'second', content: script('second.sh') },
      { path: 'guest', content: assignments(settings) },
      { path: 'command', content: `${[...lines, `exec ${command.map(quoted).join(' ')}`].join('\n')}\n` },
    ]);
    writeFileSync(this.file('initrd'), Buffer.concat([readFileSync(kernel.initrd), archive]));
  }

  /** In a mount namespace of its own it sees the directory read-only, so that no mistake in the guest can matter. */
  private serve({ tag, directory, writable }: Share): void {
    const script = [
      'mount --bind "$1" /mnt',
      writable ? ':' : 'mount -o remount,bind,ro /mnt',
      'ulimit -n "$(ulimit -Hn)"',
      `exec /usr/lib/qemu/virtiofsd --rlimit-nofile=0 -o no_readdirplus --socket-path="$2" -o source=/mnt -o xattr -o cache=${
        writable ? 'auto' : 'always'
      } --thread-pool-size=0`,
    ].join(' && ');
    const isolated = ['unshare', '-m', '--propagation', 'private', 'bash', '-c', script, 'serve'];
    this.spawn([...isolated, directory, this.file(tag)], 'ignore');
  }

  private machine(): string[] {
    const { memory = 1536, cpus = 1, counting = false } = this.options;
    // The copy instructions count once a repetition; without ERMS the kernel takes eight bytes at a time.
    const cpu = `max,la57=off,-pku${counting ? ',-erms' : ''}`;
    const emulation = counting
      ? ['-accel', 'tcg,thread=single', '-icount', 'shift=0,sleep=on']
      : ['-accel', 'tcg,thread=multi,tb-size=512'];
    return [
      ...['-no-user-config', '-nodefaults', '-display', 'none', '-no-reboot'],
      ...['-M', 'microvm,pcie=on,acpi=on,pic=on,pit=on,rtc=on,isa-serial=on,memory-backend=memory'],
      ...['-object', `memory-backend-memfd,id=memory,size=${memory}M,share=on`, '-m', `${memory}M`],
      // Where there can be one processor only, QEMU leaves its memory barriers out, and now and then the guest and the
      // servers of its files, which run beside it, miss each other's notification: a read that never ends.
      ...['-cpu', cpu, '-smp', `${cpus},maxcpus=${Math.max(2, cpus)}`, ...emulation],
    ];
  }

  private devices(): string[] {
    // Counting knows no barriers at all: there at least the next answer makes up for a notification that was missed.
    const events = this.options.counting ? ',event_idx=off' : '';
    const shares = this.shares.flatMap(({ tag }) => [
      ...['-chardev', `socket,id=${tag},path=${this.file(tag)}`],
      ...['-device', `vhost-user-fs-pci,chardev=${tag},tag=${tag},queue-size=1024${events}`],
    ]);
    return [
      ...shares,
      // Without ioeventfd a write has reached the file when the guest goes on, and it may switch itself off.
      ...['-device', 'virtio-serial-pci,max_ports=4,ioeventfd=off'],
      ...['-chardev', 'stdio,id=output,signal=off', '-device', 'virtserialport,chardev=output,name=output'],
      ...['-chardev', `file,id=status,path=${this.file('status')}`],
      ...['-device', 'virtserialport,chardev=status,name=status'],
      ...['-chardev', `file,id=console,path=${this.file('console')}`, '-serial', 'chardev:console'],
    ];
  }

  private boot(): string[] {
    const { kernel, counting = false } = this.options;
    // Emulation hands the host's time stamp counter on; on a busy host the guest would fail to measure its rate.
    const rate = /^bogomips\s*: (\S+)/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1];
    const clock = counting || rate === undefined ? '' : ` tsc_early_khz=${Math.round(Number(rate) * 500)}`;
    const append =
      'console=ttyS0 loglevel=4 panic=-1 oops=panic reboot=t mitigations=off nokaslr nowatchdog audit=0 apparmor=0 ' +
      'tsc=reliable no_timer_check cryptomgr.notests random.trust_cpu=on rcupdate.rcu_expedited=1 ' +
      `initcall_blacklist=jent_mod_init lsm=capability,bpf${clock}`;
    return ['-kernel', kernel.image, '-initrd', this.file('initrd'), '-append', append];
  }

  /** Ends when this process does, however that happens, and yields to whatever else the machine does. */
  private spawn(argv: readonly string[], streams: 'pipe' | 'ignore'): ChildProcess {
    const tied = ['--pdeathsig', 'KILL', 'nice', '-n', '10', ...argv];
    // An input that ends would be the end of the output port too.
    const child = spawn('setpriv', tied, { stdio: [streams, streams, streams === 'pipe' ? 'inherit' : 'ignore'] });
    this.children.push(child);
    return child;
  }
}

/** A bind mount shows one file system: one share for each that the project, Node or the system is on; the root first. */
function mountPoints(): readonly string[] {
  return [...new Set(['/', '/usr', process.execPath, packageRoot].map(mountPointOf))].sort();
}

function mountPointOf(path: string): string {
  for (let at = path; at !== '/'; at = dirname(at)) {
    if (statSync(at).dev !== statSync(dirname(at)).dev) return at;
  }
  return '/';
}

function assignments(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${quoted(value)}\n`)
    .join('');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
