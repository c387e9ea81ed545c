import type { Endpoint } from '../../model/address.js';
import { VipdError } from '../../util/errors.js';
import { readAddress } from './task.js';

/** Who may be the leader, most promising first; asked anew before each attempt. */
export interface Masters {
  /** Origins of URLs: `http://10.0.0.1:5050`. @throws VipdError when there is nobody to ask */
  urls(): readonly string[];
  /** Resolves when {@link urls} may say something else. */
  changed(signal: AbortSignal): Promise<void>;
  close(): void;
}

/** A list that never changes; the leader is found by being sent on by the others. */
export function listedMasters(urls: readonly string[]): Masters {
  return {
    urls: () => urls,
    changed: (signal) =>
      new Promise((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener('abort', () => resolve(), { once: true });
      }),
    close: () => {},
  };
}

/** Where a redirect leads; Mesos leaves the scheme out: `//10.0.0.2:5050/api/v1`. @throws VipdError REDIRECT_INVALID */
export function redirected(url: string, location: string | string[] | undefined): string {
  const text = Array.isArray(location) ? location[0] : location;
  const target = text !== undefined && URL.canParse(text, url) ? new URL(text, url) : undefined;
  const cause = `redirects to ${text ?? 'nowhere'}`;
  if (target === undefined || !/^https?:$/.test(target.protocol)) {
    throw new VipdError({ code: 'REDIRECT_INVALID', object: url, cause });
  }
  if (new URL(url).protocol === 'https:' && target.protocol === 'http:') {
    const hint = 'credentials are not sent over a connection that is not encrypted';
    throw new VipdError({ code: 'REDIRECT_INVALID', object: url, cause, hint });
  }
  return target.href;
}

/** Address and port in a URL, when its host is an address. */
export function endpointOf(url: string): Endpoint | undefined {
  const { hostname, port, protocol } = new URL(url);
  const address = readAddress(hostname.replace(/^\[|\]$/g, ''));
  return address === undefined ? undefined : { address, port: Number(port || (protocol === 'https:' ? 443 : 80)) };
}

/** @throws VipdError ADDRESS_INVALID */
export function parseZkUrl(url: string): { readonly hosts: string; readonly path: string } {
  const match = /^zk:\/\/(?:[^@/]*@)?([^/]+)(\/[^?]+?)\/?$/.exec(url);
  if (match) return { hosts: match[1]!, path: match[2]! };
  const cause = 'is not zk://HOST:PORT,…/PATH';
  throw new VipdError({ code: 'ADDRESS_INVALID', object: url, cause, hint: 'write zk://10.0.0.1:2181/mesos' });
}
