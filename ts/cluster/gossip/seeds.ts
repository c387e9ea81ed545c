import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Endpoint } from '../../model/address.js';

/** Where HOST:PORT leads, every address of a name; empty when it leads nowhere now. */
export async function dialTargets(reach: readonly string[]): Promise<readonly Endpoint[]> {
  const found = await Promise.all(reach.slice(0, MAX_PLACES).map(addressesOf));
  return found.flat();
}

/** Of one node; more would be a way to have others dialled. */
const MAX_PLACES = 8;

async function addressesOf(text: string): Promise<readonly Endpoint[]> {
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<host>[^:[\]]+)):(?<port>\d{1,5})$/.exec(text);
  const host = match?.groups?.v6 ?? match?.groups?.host;
  if (host === undefined) return [];
  const port = Number(match?.groups?.port);
  if (isIP(host)) return [{ address: host, port }];
  try {
    return (await lookup(host, { all: true })).map(({ address }) => ({ address, port }));
  } catch {
    return [];
  }
}
