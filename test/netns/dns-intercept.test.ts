import { Child } from '../../ts/quickstart/child.js';
import { until } from '../../ts/quickstart/until.js';
import { Daemon } from '../helpers/daemon.js';
import { Lab } from '../helpers/lab.js';
import { program, rootTest } from '../helpers/needs.js';

const addresses = ['198.51.100.1', '198.51.100.2', '198.51.100.3', 'fd01:d::c633:6401'];
const ready = 'ready.spartan';

rootTest(
  'a container without a route to the resolver is answered all the same, as if from there',
  async (t) => {
    const lab = Lab.create(t);
    const [bare, plain] = [lab.site('bare'), lab.site('plain')];
    for (const flag of ['-4', '-6'])
      await Child.start(bare.namespace.inside(['ip', flag, 'route', 'del', 'default'])).success();
    const inCgroup = (argv: readonly string[]) => lab.cgroup.inside(bare.namespace.inside(argv));
    const dig = (inside: (argv: readonly string[]) => string[], server: string, transport: string) =>
      Child.start(inside(['dig', `@${server}`, '+short', '+tries=1', '+time=2', transport, ready])).success();
    const flags = ['--dns-intercept', bare.nodeV4, '--dns-intercept', bare.nodeV6];
    const daemon = await Daemon.start(lab, [], '--dns', 'true');
    for (const server of addresses) await t.throwsAsync(dig(inCgroup, server, '+notcp'), undefined, server);
    await daemon.end('SIGTERM');
    await daemon.restart(...flags);
    const programmed = async () => {
      const { reconcile, vips } = await daemon.client.status();
      return reconcile.converged && vips === 2 * addresses.length;
    };
    await until('the interception', 20_000, programmed);
    const answered = async (inside: (argv: readonly string[]) => string[]) => {
      for (const server of addresses)
        for (const transport of ['+notcp', '+tcp'])
          t.is((await dig(inside, server, transport)).trim(), '127.0.0.1', `${server} ${transport}`);
    };
    await answered(inCgroup);
    // Outside of the cgroup it is the tc hook that leads there, if anything comes by it at all.
    await answered((argv) => plain.namespace.inside(argv));
    const { vips } = await daemon.client.vips();
    for (const { key, counters } of vips) t.is(counters?.connections, 2, `${key}: one by each hook`);
    await daemon.end('SIGTERM');
    await daemon.restart();
    await until('the end of the interception', 20_000, async () => (await daemon.client.status()).vips === 0);
    await t.throwsAsync(dig(inCgroup, addresses[0]!, '+notcp'));
    t.is((await dig((argv) => plain.namespace.inside(argv), addresses[0]!, '+notcp')).trim(), '127.0.0.1');
  },
  program('dig'),
);
