import { type Endpoint, parseEndpoint } from '../../../ts/model/address.js';
import type { Policy } from '../../../ts/model/policy.js';
import type { VipKey } from '../../../ts/model/service.js';

/** Who takes part in a sequence of moves. Few of each, so that they meet often. */
export interface Stage {
  readonly name: string;
  /** Room in the kernel; how little of it there is decides what is seen: full flow sets, ids that are used again. */
  readonly limits: { readonly vips: number; readonly backends: number; readonly flows: number };
  readonly pools: readonly string[];
  readonly vips: readonly VipKey[];
  /** Of those VIPs that always have one. */
  readonly policies?: Readonly<Record<VipKey, Policy>>;
  /** Backends of any VIP of their family. */
  readonly backends: readonly Endpoint[];
  /** Backends are clients, too. */
  readonly clients: readonly string[];
  readonly clientPorts: readonly number[];
  /** Addresses and ports nobody serves. */
  readonly nowhere: readonly Endpoint[];
  /** Moves in a sequence. */
  readonly moves: number;
}

const four = ['10.0.0.1:8080', '10.0.0.1:8081', '10.0.0.2:8080', '10.0.0.3:80'];
const six = ['[fd00::1]:8080', '[fd00::2]:8080', '[fd00::2]:80', '[fd00::3]:8080'];
const ends = (texts: readonly string[]) => texts.map(parseEndpoint);
const ports = (count: number) => Array.from({ length: count }, (_, i) => 40000 + i);

export const stages: readonly Stage[] = [
  {
    name: 'many VIPs that share backends, room for all flows',
    limits: { vips: 32, backends: 256, flows: 4096 },
    pools: ['11.0.0.0/16', 'fd11::/64'],
    vips: [
      ...['tcp/11.0.0.80:80', 'udp/11.0.0.80:80', 'tcp/11.0.0.80:8080', 'tcp/12.0.0.80:80'],
      ...['tcp/[fd11::80]:80', 'udp/[fd11::80]:80', 'tcp/[fd12::80]:80'],
    ],
    backends: ends([...four, ...six]),
    clients: ['192.0.2.10', '192.0.2.11', '10.0.0.1', '10.0.0.2', '2001:db8::10', 'fd00::1', 'fd00::2'],
    clientPorts: [...ports(3), 8080],
    nowhere: ends(['11.0.0.80:99', '11.0.3.3:80', '12.0.0.80:81', '198.51.100.1:80', '[fd11::3:3]:80', '[fd12::80]:9']),
    moves: 60,
  },
  {
    name: 'few backend ids, so that each has many owners',
    limits: { vips: 8, backends: 16, flows: 4096 },
    pools: ['11.0.0.0/16'],
    vips: ['tcp/11.0.0.80:80', 'tcp/11.0.0.81:80'],
    backends: ends(four),
    clients: ['192.0.2.10', '192.0.2.11', '10.0.0.1', '10.0.0.3'],
    clientPorts: ports(4),
    nowhere: ends(['11.0.0.80:99', '11.0.3.3:80']),
    moves: 100,
  },
  {
    name: 'exact tracking, full NAT and NAT of the same backends',
    limits: { vips: 16, backends: 64, flows: 4096 },
    pools: ['11.0.0.0/16', 'fd11::/64'],
    vips: [
      ...['tcp/11.0.0.80:80', 'tcp/11.0.0.80:81', 'tcp/11.0.0.80:82', 'udp/11.0.0.80:80', 'tcp/11.0.0.80:84'],
      ...['tcp/[fd11::80]:80', 'tcp/[fd11::80]:81', 'udp/[fd11::80]:80'],
      ...['tcp/[fd11::80]:82', 'udp/[fd11::80]:81'],
    ],
    policies: {
      'tcp/11.0.0.80:80': { exact: true },
      'tcp/11.0.0.80:81': { exact: true },
      'tcp/11.0.0.80:82': { forwarding: 'full-nat' },
      'udp/11.0.0.80:80': { forwarding: 'full-nat' },
      'tcp/[fd11::80]:80': { forwarding: 'full-nat' },
      'tcp/[fd11::80]:81': { exact: true },
      'udp/[fd11::80]:80': { exact: true },
    },
    backends: ends([...four.slice(0, 3), ...six.slice(0, 2)]),
    clients: ['192.0.2.10', '192.0.2.11', '10.0.0.1', '2001:db8::10', 'fd00::1'],
    clientPorts: ports(3),
    nowhere: ends(['11.0.0.80:99', '11.0.3.3:80', '198.51.100.1:80']),
    moves: 80,
  },
  {
    name: 'far more flows than room',
    limits: { vips: 8, backends: 16, flows: 16 },
    pools: ['fd11::/64'],
    vips: ['tcp/[fd11::80]:80', 'tcp/[fd11::81]:80'],
    backends: ends(six),
    clients: ['2001:db8::10', '2001:db8:0:4::4', 'fd00::1'],
    clientPorts: ports(20),
    nowhere: ends(['[fd11::80]:99', '[fd11::3:3]:80']),
    moves: 160,
  },
];
