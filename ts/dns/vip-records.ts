import { vipFqdn } from '../model/name.js';
import type { NameEntry } from '../model/names.js';
import type { Entry } from './ledger.js';
import { type NameKey, tryNameKey } from './name.js';
import { address, srv } from './record.js';

/** The name of a VIP; undefined when it is too long for one. @param zone `l4lb.thisdcos.directory` */
export function vipKeyName(entry: NameEntry, zone: string): NameKey | undefined {
  return tryNameKey(vipFqdn(entry.name, zone));
}

/** Its addresses, as far as VIPs on them forward on this node, and a service record for each of its ports there. */
export function vipEntries(entry: NameEntry, zone: string): Entry[] {
  const name = vipKeyName(entry, zone);
  if (name === undefined) return [];
  const addresses = forwardingAddresses(entry).map((one) => ({ name, data: address(one) }));
  return addresses.length === 0 ? [] : [...addresses, ...serviceEntries(entry, zone, name)];
}

export function forwardingAddresses({ v4, v6 }: NameEntry): readonly string[] {
  return [v4, v6].filter((one) => one !== undefined);
}

/** `_web._tcp.marathon.l4lb.thisdcos.directory`: in the form of Mesos-DNS. */
function serviceEntries({ name, ports, v4, v6 }: NameEntry, zone: string, target: NameKey): Entry[] {
  const there = ports.filter(({ family }) => (family === 4 ? v4 : v6) !== undefined);
  const distinct = new Map(there.map(({ port, protocol }) => [`${protocol}/${port}`, { port, protocol }]));
  return [...distinct.values()].flatMap(({ port, protocol }) => {
    const service = tryNameKey(`_${name.label}._${protocol}.${name.framework}.${zone}`);
    return service === undefined ? [] : [{ name: service, data: srv(target, port) }];
  });
}
