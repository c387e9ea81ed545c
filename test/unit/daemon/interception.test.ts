import test from 'ava';
import { admit, Pools } from '../../../ts/daemon/admission.js';
import { interception, interceptionName } from '../../../ts/daemon/interception.js';
import { parsePrefix } from '../../../ts/model/address.js';
import { type DeclaredService, isNamed, type ServiceDefinition, vipKey } from '../../../ts/model/service.js';
import { mergeReports } from '../../../ts/model/table.js';

const listen = ['198.51.100.1', '10.0.0.7', 'fd01:d::1'].map((address) => ({ address, port: 53 }));

function servicesTo(...target: readonly string[]): readonly DeclaredService[] {
  const found: DeclaredService[] = [];
  const source = interception(
    listen,
    target.map((address) => ({ address, port: 53 })),
  );
  void source.run((report) => found.push(...report.services), new AbortController().signal);
  return found;
}

const pairs = (services: readonly DeclaredService[]) =>
  services.map((one) => `${vipKey(one.frontend)} > ${one.backends.map(({ address }) => address)}`);

test('questions to every other address of the family are led to the one that can be got to', (t) => {
  t.deepEqual(pairs(servicesTo('10.0.0.7')), ['udp/198.51.100.1:53 > 10.0.0.7', 'tcp/198.51.100.1:53 > 10.0.0.7']);
  t.deepEqual(pairs(servicesTo('fd00::7')), ['udp/[fd01:d::1]:53 > fd00::7', 'tcp/[fd01:d::1]:53 > fd00::7']);
});

test('addresses of the node are no objection there, and nowhere else', (t) => {
  const services = servicesTo('10.0.0.7').filter((one): one is ServiceDefinition => !isNamed(one.frontend));
  const around = {
    local: new Map([['198.51.100.1', 'vipd-dns']]),
    pools: new Pools([parsePrefix('11.0.0.0/8')]),
    now: 1,
  };
  t.deepEqual(admit(mergeReports([{ source: interceptionName, services }]), around).refused, []);
  t.is(admit(mergeReports([{ source: 'file', services }]), around).refused.length, 2);
  const given = mergeReports([{ source: interceptionName, services }]);
  const { table, refused } = admit(given, { ...around, plane: 'ipvs' });
  t.is(table.services.size, 0);
  t.deepEqual([...new Set(refused.map(({ fault }) => fault?.code))], ['DNS_INTERCEPT_UNAVAILABLE']);
  t.deepEqual(admit(given, { ...around, plane: 'ebpf' }).refused, []);
});
