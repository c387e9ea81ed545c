import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BpfObject } from '../../ts/libbpf/object.js';
import { run } from '../../ts/quickstart/command.js';
import { packageRoot } from '../../ts/util/paths.js';
import { program, rootTest } from '../helpers/needs.js';

// Compilers differ in how much stack and how many branches they make of the same source; the verifier counts both.

/** Debian 13's, and whatever else is installed here. */
const compilers = new Set(['clang-19', ...(process.env.PATH ?? '').split(':').flatMap(clangsIn)]);

function clangsIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).filter((name) => /^clang-\d+$/.test(name)) : [];
}

for (const compiler of compilers) {
  rootTest(
    `the kernel takes what ${compiler} makes of the programs`,
    async (t) => {
      const out = mkdtempSync(join(tmpdir(), 'vipd-test-'));
      t.teardown(() => rmSync(out, { recursive: true }));
      run(['cmake', '-G', 'Ninja', '-S', packageRoot, '-B', out, `-DOUT=${out}`, `-DCLANG=${compiler}`]);
      run(['cmake', '--build', out, '--target', 'bpf_bpf']);
      for (const hook of ['sock', 'tc', 'xdp']) {
        const object = BpfObject.open(readFileSync(join(out, `bpf/${hook}_lb.bpf.o`)), `${hook}_lb of ${compiler}`);
        t.notThrows(() => object.load().close());
      }
    },
    program(compiler),
  );
}
