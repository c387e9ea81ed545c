import test from 'ava';
import { Dns } from '../../../ts/dns/dns.js';
import { nameKey } from '../../../ts/dns/name.js';
import type { Endpoint } from '../../../ts/model/address.js';
import { zonesOptions } from './asking-ours.js';

const at = (address: string, port = 53): Endpoint => ({ address, port });

/** What is asked by a resolver that listens there, and what is left out. */
function asked(listen: readonly Endpoint[], upstreams: readonly Endpoint[], forward: readonly Endpoint[] = []) {
  const dns = new Dns(
    {
      endpoints: listen,
      ...{ socketsEach: 1, receiveBuffer: 1 << 16, maxConnections: 1, maxPipelined: 1 },
      order: 'fixed',
      udpCeiling: 1232,
      forward: new Map([[nameKey('consul'), forward]]),
      recursor: { bytes: 1 << 20, staleMs: 0, serveStale: false, maxQuestions: 1, maxWaiting: 1 },
      zones: zonesOptions,
    },
    { logger: { info: () => {}, warn: () => {} } },
  );
  dns.setUpstreams(upstreams);
  const servers = [...dns.groups.values()].flatMap((group) => group.upstreams.map(({ name }) => name));
  const faults = dns.faults().map(({ code, object }) => `${code} ${object}`);
  dns.close();
  return { servers, faults };
}

test('a resolver is never asked by itself, by whatever name it is an upstream', (t) => {
  const own = [at('198.51.100.1'), at('fd01:d::1')];
  t.deepEqual(asked(own, [at('198.51.100.1'), at('192.0.2.1')], [at('fd01:d::1'), at('198.51.100.1', 8600)]), {
    servers: ['192.0.2.1:53', '198.51.100.1:8600'],
    faults: ['DNS_LOOP server [fd01:d::1]:53', 'DNS_LOOP server 198.51.100.1:53'],
  });
});

test('one that listens on all addresses is all of them', (t) => {
  t.deepEqual(asked([at('0.0.0.0')], [at('127.0.0.53'), at('127.0.0.1', 54), at('192.0.2.1')]), {
    servers: ['127.0.0.1:54', '192.0.2.1:53'],
    faults: ['DNS_LOOP server 127.0.0.53:53'],
  });
});
