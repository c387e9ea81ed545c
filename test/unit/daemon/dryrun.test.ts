import test from 'ava';
import { dryRun, dryRunText } from '../../../ts/daemon/dryrun.js';
import { FakeMachine, Home } from './running.js';

test('a dry run says what would be programmed, and what is wrong', async (t) => {
  const home = new Home(t);
  home.write(`services:
  - { name: web, vip: "11.0.0.80:80", backends: ["10.0.0.1:8080", { address: "10.0.0.2:8080", weight: 3 }] }
  - { name: none, vip: "11.0.0.81:80", backends: [] }
  - { name: mine, vip: "11.0.0.2:80", backends: [] }
  - { name: bad, vip: "11.0.0.82:0", backends: [] }
`);
  const run = await dryRun(home.options, new FakeMachine());
  t.is(
    dryRunText(run),
    [
      'pools 11.0.0.0/8, fd01:c::/64',
      'vip tcp/11.0.0.80:80 -> 10.0.0.1:8080=1, 10.0.0.2:8080=3',
      'vip tcp/11.0.0.81:80 -> refuse',
    ].join('\n'),
  );
  t.deepEqual(run.faults.map(({ code }) => code).sort(), ['PORT_INVALID', 'VIP_LOCAL']);
});

test('a dry run does not wait for a file that cannot be read', async (t) => {
  const home = new Home(t);
  home.write('services: [');
  const { faults } = await dryRun(home.options, new FakeMachine());
  t.is(faults[0]?.code, 'FILE_SYNTAX');
});

test('a dry run without services has nothing to wait for', async (t) => {
  const home = new Home(t);
  const { forwarding, faults } = await dryRun({ ...home.options, services: [] }, new FakeMachine());
  t.deepEqual([forwarding.vips.size, faults.length], [0, 0]);
});
