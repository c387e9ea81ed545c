import { run } from '../../ts/quickstart/command.js';
import type { Namespace } from '../../ts/quickstart/namespace.js';
import type { Target } from '../helpers/programs/conversation.js';

/** What a rival is to do: send every port of the VIP to the same port of the backend. */
export interface Job {
  readonly vip: string;
  readonly backend: string;
  readonly ports: readonly number[];
  /** VIPs in all; the others are never asked. */
  readonly services: number;
}

/** Distinct VIPs before the one that is asked, so that a list is walked to its end. */
function others({ services }: Job): Target[] {
  return Array.from({ length: services - 1 }, (_, i) => ({ address: `11.1.${i >> 8}.${i & 255}`, port: 80 }));
}

/** As kube-proxy does it today: one lookup in a verdict map, whatever the number of services. */
export function nftables(node: Namespace, job: Job): void {
  const frontends = [...others(job), ...job.ports.map((port) => ({ address: job.vip, port }))];
  const elements = frontends.flatMap(({ address, port }) =>
    ['tcp', 'udp'].map((protocol) => `${address} . ${protocol} . ${port} : ${job.backend} . ${port}`),
  );
  const rules = `table ip bench {
    map services { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; elements = { ${elements.join(', ')} } }
    chain prerouting { type nat hook prerouting priority -100; dnat ip to ip daddr . meta l4proto . th dport map @services; }
  }`;
  run(node.inside(['nft', '-f', '-']), rules);
}

/** As kube-proxy did it before: one rule a service. */
export function iptables(node: Namespace, job: Job): void {
  const rule = (address: string, protocol: string, port: number) =>
    `-A PREROUTING -d ${address}/32 -p ${protocol} --dport ${port} -j DNAT --to-destination ${job.backend}:${port}`;
  const lines = [
    ...others(job).map(({ address, port }) => rule(address, 'tcp', port)),
    ...job.ports.flatMap((port) => ['tcp', 'udp'].map((protocol) => rule(job.vip, protocol, port))),
  ];
  run(node.inside(['iptables-restore']), `*nat\n${lines.join('\n')}\nCOMMIT\n`);
}
