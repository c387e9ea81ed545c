import test from 'ava';
import { findVip } from '../../../ts/api/handlers/vips.js';
import { webStatus } from './fake-ports.js';

const named = {
  ...webStatus,
  key: 'tcp/11.1.2.3:81',
  name: 'shop.marathon_81',
  vipName: { label: 'shop', framework: 'marathon' },
  frontend: { protocol: 'tcp', address: '11.1.2.3', port: 81 },
} as const;
const other = { ...named, key: 'tcp/11.1.2.3:82', name: 'shop.marathon_82', frontend: { ...named.frontend, port: 82 } };
const status = { vips: () => [webStatus, other, named] };

test('a VIP is found by its key, its service, its address, and its name with a port or without', (t) => {
  for (const key of ['tcp/11.1.2.3:81', 'shop.marathon_81', '11.1.2.3:81', 'shop.marathon:81']) {
    t.is(findVip(status, key), named, key);
  }
  t.is(findVip(status, 'shop.marathon'), other, 'the first of its ports');
  t.is(findVip(status, 'web'), webStatus);
  t.throws(() => findVip(status, 'shop'), { message: /no service has this name or VIP/ });
});
