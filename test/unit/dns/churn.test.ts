import test from 'ava';
import { nameKey, nameText } from '../../../ts/dns/name.js';
import { address } from '../../../ts/dns/record.js';
import { Random } from '../../fuzz/random.js';
import { decoded, Ours, query, texts } from './asking-ours.js';

const apex = 'l4lb.thisdcos.directory';
const CHANGES = 20_000;

/** Names of up to three labels, so that many are above or below each other. */
function anyName(random: Random): string {
  const labels = Array.from({ length: 1 + random.below(3) }, () => random.pick(['a', 'b', 'c', 'd', 'e', 'f']));
  return [...labels, apex].join('.');
}

/** What the zone must answer, worked out anew from all that has been said. */
function expected(
  said: ReadonlyMap<string, readonly [string, string]>,
  name: string,
): { rcode: string; data: string[] } {
  const entries = [...said.values()];
  const data = new Set(entries.filter(([one]) => one === name).map(([, one]) => one));
  const exists = name === apex || entries.some(([one]) => one === name || one.endsWith(`.${name}`));
  return { rcode: exists ? 'NOERROR' : 'NXDOMAIN', data: [...data].sort() };
}

test('while names come and go every answer is that of the moment', (t) => {
  const random = new Random(7);
  const ours = new Ours();
  ours.zones.setNames(new Map());
  const said = new Map<string, readonly [name: string, data: string]>();
  const started = performance.now();
  let asked = 0;
  for (let i = 0; i < CHANGES; i++) {
    const owner = `VIP ${random.below(60)}`;
    if (random.oneIn(3)) {
      ours.zones.vips.delete(owner);
      said.delete(owner);
    } else {
      const [name, data] = [anyName(random), `10.0.0.${random.below(5)}`];
      ours.zones.vips.set(owner, [{ name: nameKey(name), data: address(data) }]);
      said.set(owner, [name, data]);
    }
    if (i % 10 > 0) continue;
    const name = random.oneIn(20) ? apex : anyName(random);
    const answer = decoded(Buffer.from(ours.atOnce(query(name, { size: 4096 }), true)!));
    const { rcode, data } = expected(said, name);
    const found = texts(answer.answers)
      .map((text) => text.split(' ')[2]!)
      .sort();
    if (answer.rcode !== rcode || found.join() !== data.join())
      t.fail(`${name}: ${answer.rcode} ${found}, not ${rcode} ${data}`);
    asked += 1;
  }
  t.log(`${CHANGES} changes and ${asked} questions in ${Math.round(performance.now() - started)} ms`);
  for (const owner of said.keys()) ours.zones.vips.delete(owner);
  t.deepEqual(
    [...ours.zones.vips.zone.entries()].map(([name]) => nameText(name)),
    [],
  );
  t.is(ours.zones.vips.zone.records, 0);
  t.is(ours.zones.vips.zone.size, 0, 'nothing is left of the names above either');
});
