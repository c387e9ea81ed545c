import { Dns } from '../../ts/dns/dns.js';
import { nameKey } from '../../ts/dns/name.js';
import { address } from '../../ts/dns/record.js';
import { zonesOptions } from '../unit/dns/asking-ours.js';
import { blinks, churnName, churnZone, names } from './dns-churn-zone.js';

// dns-churn-program.js PER_SECOND: a resolver whose names change so many times a second; writes its port, and the number of
// every generation that all names have reached. dns-churn-program.js forward PORT: another that asks it for them.

const [, , what = '', port = ''] = process.argv;
const forwards = what === 'forward';
const upstream = { address: '127.0.0.1', port: Number(port) };
const dns = new Dns(
  {
    endpoints: [{ address: '127.0.0.1', port: 0 }],
    ...{ socketsEach: forwards ? 1 : 2, receiveBuffer: 1 << 20, maxConnections: 64, maxPipelined: 64 },
    order: 'fixed',
    udpCeiling: 1232,
    forward: new Map(forwards ? [[nameKey(churnZone), [upstream]]] : []),
    recursor: { bytes: 64 << 20, staleMs: 0, serveStale: false, maxQuestions: 10_000, maxWaiting: 50_000 },
    zones: { ...zonesOptions, ttl: 1, tasks: undefined },
  },
  { logger: { info: () => {}, warn: (fields: unknown) => console.error(fields) } },
);

const started = performance.now();
let changes = 0;
const turnMs = 4;

function change(i: number, generation: number): void {
  const owner = `VIP ${i}`;
  if (blinks(i) && generation % 2 === 0) {
    dns.zones.vips.delete(owner);
    return;
  }
  const words = [i >> 16, i & 0xffff, generation >> 16, generation & 0xffff];
  const text = `fd00::${words.map((word) => word.toString(16)).join(':')}`;
  dns.zones.vips.set(owner, [{ name: nameKey(churnName(i)), data: address(text) }]);
}

/** As many as are due, but never for so long that questions would wait. */
function churn(perSecond: number): void {
  const began = performance.now();
  const due = ((began - started) * perSecond) / 1000 - changes;
  for (let i = 0; i < due && (i % 64 > 0 || performance.now() - began < turnMs); i++) {
    change(changes % names, 1 + Math.floor(changes / names));
    changes += 1;
    if (changes % names === 0) console.log(`generation ${changes / names}`);
  }
  setImmediate(() => churn(perSecond));
}

dns.zones.setNames(new Map());
await dns.open();
console.log(`port ${dns.listeners.port}`);
if (!forwards) churn(Number(what));
