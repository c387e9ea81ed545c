import dnsPacket, { type Packet } from 'dns-packet';
import { namesOf } from '../../../ts/model/names.js';
import { Ours, query } from '../../unit/dns/asking-ours.js';
import type { Outcome } from '../frames/campaign.js';
import { Random } from '../random.js';
import { badAnswer } from './answer-check.js';
import { mutated } from './mutate.js';
import { badReply } from './reply-check.js';

/** Packets of one seed. */
export const EPOCH = 100_000;
/** Beyond what a collection that has not come yet explains, bytes. */
const GROWTH = 96 << 20;

/** Throws mutated packets at the parser and the whole of the resolver, and mutated replies at what keeps those. */
export async function fuzzDns(seeds: Iterable<number>): Promise<Outcome> {
  const ours = prepared();
  const start = performance.now();
  let [packets, answers, replies] = [0, 0, 0];
  let settled: number | undefined;
  for (const seed of seeds) {
    const random = new Random(seed);
    for (let i = 0; i < EPOCH; i++) {
      const [bytes, udp] = [mutated(random, random.pick(questions)), !random.oneIn(8)];
      const answer = ours.atOnce(bytes, udp);
      packets += 1;
      if (answer !== undefined) answers += 1;
      const reply = i % 4 === 0 ? mutated(random, random.pick(answersOfOthers)) : undefined;
      if (reply !== undefined) replies += 1;
      const problem = badAnswer(bytes, udp, answer) ?? (reply && badReply(reply));
      if (problem !== undefined) return { failure: failureText(seed, bytes, reply, problem), summary: summary() };
    }
    settled ??= process.memoryUsage().rss;
    const grown = process.memoryUsage().rss - settled;
    if (grown > GROWTH) return { failure: `seed ${seed}: memory grew by ${grown >> 20} MiB`, summary: summary() };
    await new Promise((resolve) => setImmediate(resolve));
  }
  const memory = `, memory ${(process.memoryUsage().rss - (settled ?? 0)) >> 20} MiB more than after the first ${EPOCH}`;
  return { failure: undefined, summary: summary() + memory };

  function summary(): string {
    const rate = Math.round(packets / (performance.now() - start));
    return `${packets} questions, ${answers} answered, ${replies} replies of others, ${rate},000 a second`;
  }
}

const fqdn = 'web.marathon.l4lb.thisdcos.directory';
const names = [fqdn, 'web.marathon.dclb.thisdcos.global', `_web._tcp.marathon.l4lb.thisdcos.directory`, 'leader.mesos'];
const others = [
  'many.l4lb.thisdcos.directory',
  'nobody.thisdcos.directory',
  '1.0.0.11.in-addr.arpa',
  'example.org',
  '.',
];
const questions = [...names, ...others].flatMap((name) =>
  ['A', 'AAAA', 'SRV', 'PTR', 'ANY', 'SOA'].flatMap((type) =>
    [undefined, 512, 4096].map((size) => query(name, { type, ...(size !== undefined && { size }) })),
  ),
);

const record = { class: 'IN', name: 'www.example.org', ttl: 60 } as const;
const soa = {
  mname: 'ns.example.org',
  rname: 'root.example.org',
  serial: 1,
  refresh: 2,
  retry: 3,
  expire: 4,
  minimum: 5,
};
const answersOfOthers = [
  [{ ...record, type: 'A', data: '192.0.2.1' }],
  [
    { ...record, type: 'CNAME', data: 'a.example.net' },
    { ...record, name: 'a.example.net', type: 'AAAA', data: '2001:db8::1' },
  ],
  [{ ...record, type: 'SOA', data: soa }],
  [{ ...record, type: 'MX', data: { preference: 10, exchange: 'mx.example.org' } }],
  [{ ...record, type: 'SRV', data: { port: 80, target: 'a.example.org' } }],
  [{ ...record, type: 'TXT', data: ['one', 'two'] }],
].map((some) =>
  dnsPacket.encode({
    type: 'response',
    id: 7,
    flags: 0x0180,
    questions: [{ type: 'A', name: 'www.example.org' }],
    answers: some,
    additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0, options: [] }],
  } as unknown as Packet),
);

/** The resolver with something in its zones; nobody else to ask. */
function prepared(): Ours {
  const ours = new Ours();
  const vips = ['11.0.0.80', 'fd01:c::80'].map((address) => ({
    ...{ key: `tcp/${address}:80`, name: address, source: 'file', backends: [], programmed: 'yes' as const },
    frontend: { protocol: 'tcp' as const, address, port: 80 },
    vipName: { label: 'web', framework: 'marathon' },
  }));
  ours.zones.setNames(namesOf(vips));
  const leader = { address: '10.0.0.1', port: 5050 };
  ours.zones.setTasks({ tasks: new Map(), agents: new Map(), frameworks: new Map(), masters: [leader], leader });
  ours.fill('many.l4lb.thisdcos.directory', 300);
  return ours;
}

function failureText(seed: number, bytes: Buffer, reply: Buffer | undefined, problem: string): string {
  const other = reply === undefined ? '' : `\nreply ${reply.toString('hex')}`;
  return `seed ${seed}: ${problem}\nquestion ${bytes.toString('hex')}${other}\nreplay with: npm run fuzz -- dns --seed ${seed}`;
}
