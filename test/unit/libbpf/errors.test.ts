import test from 'ava';
import { BpfError, lastUsefulLines } from '../../../ts/libbpf/errors.js';

test('an error says operation, object, cause and hint', (t) => {
  const failure = { message: 'Argument list too long', op: 'update', errno: 7, errnoName: 'E2BIG', done: 3 };
  const error = new BpfError('map vips', failure);
  t.is(error.message, 'map vips: update failed: Argument list too long (the map is full; raise its size)');
  t.like(error, { code: 'E2BIG', op: 'update', errno: 7, done: 3 });
});

test('EPERM names the capabilities', (t) => {
  const error = new BpfError('map vips', { message: 'x', op: 'load', errno: 1, errnoName: 'EPERM', log: 'libbpf: no' });
  t.regex(error.fault.hint ?? '', /CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON/);
});

test('a refused program is named with the end of the verifier log', (t) => {
  const log = [
    "libbpf: prog 'lb': BPF program load failed: Permission denied",
    "libbpf: prog 'lb': -- BEGIN PROG LOAD LOG --",
    '0: R1=ctx()',
    '1: (71) r0 = *(u8 *)(r1 +0)',
    'R1 offset is outside of the packet',
    'processed 2 insns (limit 1000000)',
    '-- END PROG LOAD LOG --',
    "libbpf: failed to load object 'lb'",
  ].join('\n');
  const error = new BpfError('object lb', {
    message: 'Permission denied',
    op: 'load',
    errno: 13,
    errnoName: 'EACCES',
    log,
  });
  t.regex(error.message, /program lb: Permission denied; .*; R1 offset is outside of the packet$/);
  t.is(error.log, log);
  t.is(error.fault.hint, undefined);
});

test('without a verifier log the end of what libbpf wrote counts', (t) => {
  const log = "libbpf: map 'vips': failed to create: No space\nlibbpf: failed to load object 'lb'\n";
  t.deepEqual(lastUsefulLines(log), ["libbpf: map 'vips': failed to create: No space"]);
  t.deepEqual(lastUsefulLines(''), []);
});
