import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { packageRoot } from '../../ts/util/paths.js';
import { misuses } from './misuse.js';
import { kernelTest } from './privileged.js';

const script = join(import.meta.dirname, 'sanitized.js');

kernelTest('AddressSanitizer finds nothing when the addon is misused', (t) => {
  t.timeout(180_000, 'the sanitized addon is built at the first run');
  run(t, process.execPath, [join(packageRoot, 'scripts', 'build.mjs'), 'native-asan']);
  const preload = ['libasan.so', 'libubsan.so', 'libstdc++.so'].map((name) => libraryPath(t, name)).join(':');
  const output = run(
    t,
    process.execPath,
    ['--expose-gc', script, join(packageRoot, 'out/asan/build/Release/vipd.node')],
    {
      LD_PRELOAD: preload,
      ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1',
      UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
    },
  );
  t.is(output.trim().split('\n').length, misuses.length);
});

/** The compiler's own copy: it must be the one the addon was built against. */
function libraryPath(t: ExecutionContext, name: string): string {
  return run(t, 'g++', [`-print-file-name=${name}`]).trim();
}

function run(t: ExecutionContext, command: string, args: string[], env: Record<string, string> = {}): string {
  const result = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, ...env } });
  t.is(result.status, 0, `${command} ${args.join(' ')}\n${result.stderr}\n${result.stdout}`);
  return result.stdout;
}
