import { readFileSync } from 'node:fs';
import { canonicalAddress, type Endpoint } from '../model/address.js';

/** What resolv.conf(5) says, as far as it concerns us. */
export interface ResolvConf {
  readonly servers: readonly string[];
  readonly search: readonly string[];
}

/** Pure. What is not understood is passed over, as the C library does it. */
export function parseResolvConf(content: string): ResolvConf {
  const servers: string[] = [];
  let search: readonly string[] = [];
  for (const line of content.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && words[0] !== undefined) servers.push(...addressIn(words[0]));
    if (keyword === 'search' || keyword === 'domain') search = words;
  }
  return { servers, search };
}

/** An address with a zone, as `fe80::1%eth0`, is left out: nobody could be asked there without knowing the interface. */
function addressIn(word: string): string[] {
  try {
    return word.includes('%') ? [] : [canonicalAddress(word)];
  } catch {
    return [];
  }
}

/**
 * Where the servers of this machine are written down, the best first. Behind the stub of systemd-resolved are others, which
 * it writes to a file of its own; what we have replaced we have kept.
 */
export const resolvConfPlaces = ['/run/systemd/resolve/resolv.conf', '/etc/resolv.conf'] as const;

/** The servers of the first place that names one that is not among `own`. */
export function systemServers(places: readonly string[], own: readonly Endpoint[]): readonly Endpoint[] {
  const ours = new Set(own.map(({ address }) => address));
  for (const place of places) {
    const servers = parseResolvConf(contentOf(place)).servers.filter((address) => !ours.has(address));
    if (servers.length > 0) return servers.map((address) => ({ address, port: 53 }));
  }
  return [];
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
