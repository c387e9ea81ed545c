import test from 'ava';
import { defaultFullNat, PortUse, portsFault, sourceFor } from '../../../../ts/dataplane/ebpf/nat-ports.js';
import { addressBytes } from '../../../../ts/model/address.js';

const having =
  (range: string | undefined, reserved = '') =>
  (name: string) =>
    name === 'ip_local_port_range' ? range : reserved;

test('the default ports are none that Linux gives to sockets by default', (t) => {
  t.is(portsFault(defaultFullNat.ports, having('32768\t60999')), undefined);
  t.is(portsFault(defaultFullNat.ports, having(undefined)), undefined);
});

test('ports that sockets may be given are refused, unless they are reserved', (t) => {
  const ports = { first: 61_440, last: 65_535 };
  t.regex(portsFault(ports, having('1024\t65535'))?.cause ?? '', /port 61440 /);
  for (const reserved of ['61440-65535', '8080,61440-62000,62001-65535', '1024-65535'])
    t.is(portsFault(ports, having('1024\t65535', reserved)), undefined, reserved);
  t.regex(portsFault(ports, having('1024\t65535', '61440-62000,62002-65535'))?.cause ?? '', /port 62001 /);
  t.regex(portsFault(ports, having('1024\t65535', '61441-65535'))?.cause ?? '', /port 61440 /);
  t.regex(portsFault(ports, having('61000\t61440'))?.cause ?? '', /port 61440 /);
  t.is(portsFault(ports, having('61000\t61439')), undefined);
});

test('a source is of the family of the backend', (t) => {
  const options = { ...defaultFullNat, sources: ['10.0.0.9', 'fd00::9'] };
  t.is(sourceFor(options, 6), 'fd00::9');
  t.is(sourceFor(options, 4), '10.0.0.9');
  t.is(sourceFor(defaultFullNat, 4), undefined);
});

test('ports are counted for each backend and source, and the fullest is told', (t) => {
  const answer = (backend: string, port: number, source: string, sourcePort: number, protocol = 6) => ({
    src: { bytes: addressBytes(backend) },
    dst: { bytes: addressBytes(source) },
    src_port: port,
    dst_port: sourcePort,
    protocol,
    pad: new Uint8Array(3),
  });
  const use = new PortUse();
  t.is(use.most, undefined);
  for (const port of [1, 2]) use.add(answer('10.0.0.1', 80, '10.0.0.9', port));
  for (const port of [1, 2, 3]) use.add(answer('fd00::1', 53, 'fd00::9', port, 17));
  use.add(answer('fd00::1', 53, 'fd00::9', 4));
  use.add(answer('fd00::1', 53, 'fd00::8', 4, 17));
  t.deepEqual(use.most, { used: 3, where: 'udp to [fd00::1]:53 from fd00::9' });
});
