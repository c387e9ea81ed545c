import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Child } from '../../ts/quickstart/child.js';
import { Lab } from '../helpers/lab.js';
import { program, rootTest } from '../helpers/needs.js';
import { startDnsmasq } from '../helpers/programs.js';

// A real systemd-resolved, with a bus and a /run of its own. Its package takes over /etc/resolv.conf, so it is not one that
// the tests install.

const resolved = '/lib/systemd/systemd-resolved';
const needed = ['/usr/bin/dbus-daemon', '/usr/bin/resolvectl', resolved];
const installed = { name: 'systemd-resolved', there: needed.every((one) => existsSync(one)), expected: false };
const vipd = fileURLToPath(new URL('../../../packaging/bin/vipd', import.meta.url));

/** In a mount namespace of its own: the daemon beside a systemd-resolved that asks `upstream` by itself. */
const script = (directory: string, link: string, upstream: string, daemon: readonly string[]) => `
mkdir -p ${directory}/dbus ${directory}/systemd/resolve ${directory}/systemd/netif /run/dbus /run/systemd
chown systemd-resolve: ${directory}/systemd/resolve
mount --bind ${directory}/dbus /run/dbus
mount --bind ${directory}/systemd /run/systemd
echo 'nameserver 127.0.0.53' > ${directory}/resolv.conf
mount --bind ${directory}/resolv.conf "$(realpath /etc/resolv.conf)"
dbus-daemon --system --nofork --nopidfile >/dev/null 2>&1 & bus=$!
until [ -e /run/dbus/system_bus_socket ]; do sleep 0.1; done
${resolved} >/dev/null 2>&1 & resolved=$!
trap 'kill $resolved $bus' EXIT
until resolvectl dns ${link} ${upstream} 2>/dev/null; do sleep 0.1; done
${daemon.join(' ')} >${directory}/log 2>&1 & vipd=$!
for i in $(seq 300); do resolvectl domain vipd-dns 2>/dev/null | grep -q directory && break; sleep 0.1; done
ask() { dig @127.0.0.53 +short +tries=1 +time=5 "$1" | head -1; }
echo "domains $(resolvectl domain vipd-dns)"
echo "default $(resolvectl default-route vipd-dns)"
echo "ours $(ask ready.spartan)"
echo "theirs $(ask host.test)"
kill -TERM $vipd; wait $vipd
echo "afterwards $(resolvectl domain vipd-dns)"
echo "file $(cat /etc/resolv.conf)"
echo "still theirs $(ask host.test)"`;

rootTest(
  'systemd-resolved asks us for our names, and for no others, until the daemon ends',
  async (t) => {
    const lab = Lab.create(t);
    const upstream = lab.site('upstream');
    await startDnsmasq(lab, upstream);
    const places = ['--state-dir', `${lab.directory}/state`, '--socket', `${lab.directory}/vipd.sock`];
    const kernel = ['--bpffs', `${lab.bpffs}/vipd`, '--cgroup', lab.cgroup.path, '--pool', '11.0.0.0/8'];
    const daemon = [
      vipd,
      ...places,
      ...kernel,
      '--dns',
      'true',
      '--dns-resolv-conf',
      'true',
      '--dns-zone',
      'corp.example',
    ];
    lab.beforeRemoval(() => Child.start(lab.node.inside([vipd, 'uninstall', ...daemon.slice(1)])).exited);
    const file = `${lab.directory}/script`;
    writeFileSync(file, script(lab.directory, upstream.link, upstream.v4, daemon));
    const output = await Child.start(lab.node.inside(['unshare', '-m', 'bash', file])).success();
    t.regex(output, /^domains Link \d+ \(vipd-dns\): ~corp\.example [^:]*~thisdcos\.directory/m, output);
    t.notRegex(output, /~l4lb|~localhost|~\. /);
    t.regex(output, /^default .*: no$/m);
    t.regex(output, /^ours 127\.0\.0\.1$/m);
    t.regex(output, /^theirs 192\.0\.2\.7$/m);
    t.regex(output, /^afterwards Link \d+ \(vipd-dns\):\s*$/m);
    t.regex(output, /^file nameserver 127\.0\.0\.53$/m);
    t.regex(output, /^still theirs 192\.0\.2\.7$/m);
  },
  installed,
  program('dnsmasq'),
  program('dig'),
);
