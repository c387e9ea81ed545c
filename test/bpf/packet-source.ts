import { familyOf, formatEndpoint, parseEndpoint } from '../../ts/model/address.js';
import { type Case, natPorts, type PacketSource, type Seen } from './case.js';
import { nodeSources } from './test-surroundings.js';

/** The packet that is sent, now that the case's backend is known. */
export function packetOf(packet: PacketSource, { chosen = '', source = '' }: Seen = {}): Buffer {
  return (typeof packet === 'function' ? packet(chosen, source) : packet).build();
}

/** As if the first backend of a case had been chosen, and seen the node's first port: for packets without an outcome. */
export function supposed({ vips = {} }: Case): Seen {
  const [chosen] = Object.values(vips).flatMap((backends) => Object.keys(backends));
  if (chosen === undefined) return {};
  const address = nodeSources[familyOf(parseEndpoint(chosen).address)];
  return { chosen, source: formatEndpoint({ address, port: natPorts.first }) };
}
