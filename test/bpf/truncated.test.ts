import { rootTest } from '../helpers/needs.js';
import type { Hook, Way } from './case.js';
import { allCases } from './cases/all.js';
import { talks } from './cases/talk.js';
import { packetOf, supposed } from './packet-source.js';
import { openPlane, type TestPlane } from './plane.js';
import { partsOf, program, setup } from './run.js';

/** The kernel runs no program on less than an Ethernet header. */
const SHORTEST = 14;
/** Behind the headers one byte is like another. */
const LONGEST = 160;

const pools = [...new Set(talks.map((talk) => talk.pool))];
const vips = Object.fromEntries(talks.map((talk) => [talk.key, talk.backends(1)]));

/** Every packet of every case, each once; where it depends on the chosen backend, that is the case's first. */
const packets = new Map<string, { way: Way; bytes: Buffer }>();
for (const one of allCases) {
  const first = supposed(one);
  for (const action of one.actions) {
    if (action.kind !== 'packet' && action.kind !== 'fragments') continue;
    const packet = packetOf(action.packet, first);
    for (const frame of action.kind === 'fragments' ? partsOf(action, packet) : [packet]) {
      const bytes = frame.subarray(0, LONGEST);
      packets.set(`${action.way} ${bytes.toString('hex')}`, { way: action.way, bytes });
    }
  }
}

/** Newer kernels make no skb of an IP frame that ends inside its IP header, so tc cannot be shown one this way. */
function canBeRun(hook: Hook, bytes: Buffer): boolean {
  const header = { 2048: 20, 34525: 40 }[bytes.readUInt16BE(12)] ?? 0;
  return hook === 'xdp' || bytes.length >= 14 + header;
}

/** Where the data of a TCP, UDP or ICMP packet or of a later fragment begins, options of TCP counted as data. */
function headersEnd(bytes: Buffer): number {
  let l3 = 14;
  for (; [0x8100, 0x88a8].includes(bytes.readUInt16BE(l3 - 2)); l3 += 4);
  if (bytes.readUInt16BE(l3 - 2) === 0x0800) {
    const end = l3 + ((bytes[l3] ?? 0) & 15) * 4;
    return bytes.readUInt16BE(l3 + 6) & 0x1fff ? end : end + transportHeader(bytes[l3 + 9]);
  }
  let [protocol, at] = [bytes[l3 + 6], l3 + 40];
  for (; protocol !== undefined && [0, 43, 44, 60].includes(protocol); at += ((bytes[at + 1] ?? 0) + 1) * 8) {
    if (protocol === 44 && bytes.readUInt16BE(at + 2) & 0xfff8) return at + 8;
    protocol = bytes[at];
  }
  return at + transportHeader(protocol);
}

function transportHeader(protocol: number | undefined): number {
  return protocol === 6 ? 20 : 8;
}

/** Cut inside its headers a packet is passed on as it is; cut behind them, that or what the whole one is, less its end. */
function problemsOf(plane: TestPlane, hook: Hook, way: Way, bytes: Buffer): string[] {
  const whole = plane.run(hook, way, bytes);
  const problems: string[] = [];
  const behind = headersEnd(bytes);
  for (let length = SHORTEST; length < bytes.length; length++) {
    const sent = bytes.subarray(0, length);
    if (!canBeRun(hook, sent)) continue;
    const got = plane.run(hook, way, sent);
    const untouched = got.verdict === 'passed' && got.data.equals(sent);
    const alike = got.verdict === whole.verdict && whole.data.subarray(0, got.data.length).equals(got.data);
    const lengthKept = got.data.length === length || got.verdict === 'turned';
    if (!untouched && !(length >= behind && alike && lengthKept)) {
      problems.push(`${length} bytes of ${bytes.toString('hex')}: ${got.verdict} ${got.data.toString('hex')}`);
    }
  }
  return problems;
}

for (const hook of ['xdp', 'tc'] as const) {
  rootTest(`${hook}: every packet of every case, cut short at every byte`, async (t) => {
    const plane = await openPlane();
    try {
      await program(plane, setup({ name: '', pools, vips, actions: [] }));
      const problems = [...packets.values()].flatMap(({ way, bytes }) => problemsOf(plane, hook, way, bytes));
      t.deepEqual(problems, []);
    } finally {
      await plane.close();
    }
  });
}
