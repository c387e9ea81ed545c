import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../ts/quickstart/command.js';
import { packageRoot } from '../../ts/util/paths.js';
import { packet } from '../bpf/packet.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab, type Owner } from '../helpers/lab.js';
import { figure, table } from './statistics.js';

type Hook = 'tc' | 'xdp';

/** A kind of packet, and over how many flows it is spread: a power of two. */
interface Case {
  readonly name: string;
  readonly flags: string;
  readonly destination: string;
  readonly flows: number;
}

const object = join(packageRoot, 'out/test/wrap.bpf.o');
const vip = '11.0.0.80';
const cases: readonly Case[] = [
  { name: 'not for a VIP', flags: 'A', destination: '10.99.0.1', flows: 1 },
  ...[1, 4096, 65_536, 524_288].map((flows) => ({
    name: `established, ${flows} flows`,
    flags: 'A',
    destination: vip,
    flows,
  })),
  { name: 'SYN, 65536 flows', flags: 'S', destination: vip, flows: 65_536 },
];

/** 64 bytes: headers, and in the padding behind them the number of flows as the wrapper wants it. */
function frameOf({ flags, destination, flows }: Case): Buffer {
  const headers = packet()
    .eth()
    .ipv4({ src: '10.98.0.1', dst: destination })
    .tcp({ sport: 1024, dport: 80, flags })
    .build();
  const frame = Buffer.alloc(64);
  headers.copy(frame);
  frame.writeUInt32LE(flows - 1, 60);
  return frame;
}

/** Loads the wrappers anew, so that they take the next frame for their template, in front of a program. */
class Wrapper {
  private loads = 0;

  constructor(private readonly lab: Lab) {}

  /** Average time of one run in ns; `target` is a pinned program, or undefined for the empty one. */
  measure(hook: Hook, one: Case, target?: string): number {
    const at = `${this.lab.bpffs}/wrap-${++this.loads}`;
    mkdirSync(at);
    run(['bpftool', 'prog', 'loadall', object, at, 'pinmaps', at]);
    const behind = target ?? `${at}/empty_${hook}`;
    run([
      'bpftool',
      'map',
      'update',
      'pinned',
      `${at}/target_${hook}`,
      'key',
      '0',
      '0',
      '0',
      '0',
      'value',
      'pinned',
      behind,
    ]);
    const frame = `${this.lab.directory}/frame`;
    writeFileSync(frame, frameOf(one));
    const repeat = (count: number) =>
      run([
        'bpftool',
        '--json',
        'prog',
        'run',
        'pinned',
        `${at}/wrap_${hook}`,
        'data_in',
        frame,
        'data_out',
        '/dev/null',
        'repeat',
        String(count),
      ]);
    repeat(one.flows * 4);
    return JSON.parse(repeat(2_000_000)).duration;
  }
}

/** Prints what vipd's programs cost by packet, without the wrapper and the loop around them. */
export async function programCost(owner: Owner, rounds: number): Promise<void> {
  const lab = Lab.create(owner);
  lab.site('workload');
  lab.site('outside', 'uplink');
  const backends = Array.from({ length: 16 }, (_, i) => `10.77.1.${100 + i}:80`);
  await Daemon.start(lab, [{ name: 'web', vip: `${vip}:80`, backends }]);
  const wrapper = new Wrapper(lab);
  const rows = cases.map((one) => [
    one.name,
    ...(['tc', 'xdp'] as const).map((hook) => cost(wrapper, lab, hook, one, rounds)),
  ]);
  console.log(`${table([['ns per packet', 'tc', 'xdp'], ...rows])}\n`);
  console.log(`medians of ${rounds} rounds ± half the range, less what an empty program takes\n`);
}

function cost(wrapper: Wrapper, lab: Lab, hook: Hook, one: Case, rounds: number): string {
  const target = `${lab.bpffs}/vipd/programs/${hook}_ingress`;
  const values = Array.from({ length: rounds }, () => wrapper.measure(hook, one, target) - wrapper.measure(hook, one));
  return figure(values, 0);
}
