import test from 'ava';
import fc from 'fast-check';
import { OwnEntries, type Publication } from '../../../ts/cluster/own.js';
import { Replica } from '../../../ts/cluster/replica.js';
import { codec, identity, nodeMessage, vipMessage } from './writer.js';

const me = identity(1);
const KEY = 'tcp/11.0.0.1:80';

const publication = (...hosts: readonly number[]): Publication =>
  new Map(hosts.map((host) => [`tcp/11.0.0.${host}:80`, vipMessage(`tcp/11.0.0.${host}:80`)]));

test('one change is one entry', (t) => {
  const own = new OwnEntries(me, codec, 1);
  t.is(own.vips(publication(1, 2, 3)).length, 3);
  t.is(own.vips(publication(1, 2, 3)).length, 0);
  const changed = new Map(publication(1, 2, 3)).set(KEY, { ...vipMessage(KEY), backends: [] });
  t.deepEqual(
    own.vips(changed).map(({ message }) => message.key),
    [KEY],
  );
  t.deepEqual(
    own.vips(publication(2, 3)).map(({ message }) => [message.key, message.gone]),
    [[KEY, true]],
  );
});

test('another reason is no news', (t) => {
  const own = new OwnEntries(me, codec, 1);
  own.vips(publication(1));
  const [backend] = vipMessage(KEY).backends;
  const reworded = { ...vipMessage(KEY), backends: [{ ...backend!, reason: 'tcp: ECONNREFUSED, 3 of 2 failures' }] };
  t.deepEqual(own.vips(new Map([[KEY, reworded]])), []);
});

test('a new life replaces all the one before has said, once everything is said', (t) => {
  const replica = new Replica(codec);
  const tell = (own: OwnEntries, what: Publication, all: boolean) => {
    for (const { signed } of [...own.vips(what), own.node(nodeMessage, all)]) replica.accept(signed, 0);
    return [...replica.holding(me.id)!.entries.keys()].filter((key) => key !== '').sort();
  };
  tell(new OwnEntries(me, codec, 1), publication(1, 2), true);
  const reborn = new OwnEntries(me, codec, 2);
  t.deepEqual(tell(reborn, new Map(), false), [...publication(1, 2).keys()], 'nothing is emptied before it has spoken');
  t.deepEqual(tell(reborn, publication(2, 3), true), [...publication(2, 3).keys()]);
});

test('whoever hears every entry holds what is published, and marks of what is gone stay few', (t) => {
  const hosts = fc.uniqueArray(fc.integer({ min: 1, max: 250 }), { maxLength: 40 });
  fc.assert(
    fc.property(fc.array(hosts, { minLength: 1, maxLength: 60 }), (publications) => {
      const [own, replica] = [new OwnEntries(me, codec, 1), new Replica(codec)];
      for (const list of publications)
        for (const { signed } of [...own.vips(publication(...list)), own.node(nodeMessage, true)])
          replica.accept(signed, 0);
      const entries = [...replica.holding(me.id)!.entries.values()].filter(({ message }) => message.key !== '');
      const live = entries.filter(({ message }) => !message.gone).map(({ message }) => message.key);
      t.deepEqual(live.sort(), [...publication(...publications.at(-1)!).keys()].sort());
      t.true(entries.length - live.length <= 256 + 40);
    }),
    { numRuns: 5 },
  );
});
