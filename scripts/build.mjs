// Builds what is out of date: `node scripts/build.mjs [bpf] [native] [ts]`, everything when nothing is named;
// `native-asan` builds the addon once more under AddressSanitizer, into out/asan.
// The tools are incremental themselves, but only to ask them takes seconds; so each target keeps a fingerprint of its
// inputs (path, size, time) and its tool runs when that changed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tools = join(root, 'node_modules', '.bin');

const targets = {
  bpf: {
    inputs: () => [...files('bpf', /\.[ch]$/), ...files('test', /\.[ch]$/), 'CMakeLists.txt'],
    outputs: () => [...objects('bpf', 'out/bpf'), ...objects('test', 'out/test')],
    build: () => {
      forgetMovedTree('out/cmake');
      run(join(tools, 'cmake-js'), ['build', '--log-level=error', '-O', 'out/cmake']);
    },
  },
  native: {
    inputs: () => [...files('native', /\.(cc|h)$/), 'binding.gyp'],
    outputs: () => ['build/Release/vipd.node'],
    build: () => gyp(root),
  },
  'native-asan': {
    inputs: () => [...files('native', /\.(cc|h)$/), 'binding.gyp'],
    outputs: () => ['out/asan/build/Release/vipd.node'],
    build: () => gyp(sanitizedTree(), ['-Dsanitize=1']),
  },
  ts: {
    inputs: () => [...files('ts', /\.ts$/), ...files('test', /\.ts$/), 'tsconfig.json', 'package.json'],
    outputs: () => ['dist/.tsbuildinfo'],
    build: () => {
      pruneCompiled();
      run(join(tools, 'tsc'), ['-p', root]);
      bundle('dist/ts/model/typebox.js');
    },
  },
};

for (const name of process.argv.length > 2 ? process.argv.slice(2) : ['bpf', 'native', 'ts']) {
  const target = targets[name];
  if (target === undefined) fail(`unknown target ${name}; there are: ${Object.keys(targets).join(' ')}`);
  bring(name, target);
}

function bring(name, target) {
  const stamp = join(root, 'out', 'stamps', name);
  const wanted = fingerprint(target.inputs());
  const current = existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;
  if (current && target.outputs().every((path) => existsSync(join(root, path)))) return;
  target.build();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
}

function fingerprint(paths) {
  const hash = createHash('sha256').update(`${process.version} ${process.arch}\n`);
  for (const path of paths) {
    const { size, mtimeMs } = statSync(join(root, path));
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

/** Paths below a directory, relative to the root, sorted. */
function files(directory, pattern) {
  if (!existsSync(join(root, directory))) return [];
  return readdirSync(join(root, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length + 1))
    .sort();
}

/** What the BPF sources below a directory are compiled to. */
function objects(sources, directory) {
  return files(sources, /\.bpf\.c$/).map((source) => join(directory, basename(source).replace(/c$/, 'o')));
}

/** CMake writes absolute paths down: what it made before the checkout was moved or copied is of no use. */
function forgetMovedTree(directory) {
  const cache = join(root, directory, 'CMakeCache.txt');
  if (!existsSync(cache) || readFileSync(cache, 'utf8').includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root}\n`)) return;
  rmSync(join(root, directory), { recursive: true });
}

/** node-gyp in a directory; variables are gyp's. */
function gyp(directory, variables = []) {
  const common = ['--loglevel=warn', `--nodedir=${nodeHeaders()}`, '-C', directory];
  run(join(tools, 'node-gyp'), ['configure', ...common, '--', ...variables]);
  run(join(tools, 'node-gyp'), ['build', '-j', 'max', ...common]);
}

/** Where the headers of this Node are. Without them node-gyp would fetch some from the Internet. */
function nodeHeaders() {
  const candidates = [process.env.npm_config_nodedir, dirname(dirname(process.execPath)), '/usr'];
  const found = candidates.find(
    (directory) => directory !== undefined && existsSync(join(directory, 'include/node/node_api.h')),
  );
  if (found !== undefined) return found;
  return fail(`the headers of ${process.execPath} are missing; with Debian's own Node.js install libnode-dev`);
}

/** node-gyp builds into `build` beside binding.gyp and nowhere else; so this is a second place with the same sources. */
function sanitizedTree() {
  const tree = join(root, 'out', 'asan');
  mkdirSync(tree, { recursive: true });
  for (const name of ['binding.gyp', 'native', 'package.json', 'node_modules']) {
    if (!existsSync(join(tree, name))) symlinkSync(join(root, name), join(tree, name));
  }
  return tree;
}

/** Puts what a compiled file imports into it; one that is bundled already stays as it is. */
function bundle(path) {
  const options = { bundle: true, format: 'esm', platform: 'node', target: 'node20', allowOverwrite: true };
  buildSync({ ...options, entryPoints: [join(root, path)], outfile: join(root, path), logLevel: 'warning' });
}

/** Removes compiled files whose source is gone: a deleted test must not go on running. */
function pruneCompiled() {
  for (const compiled of files('dist', /\.js$/)) {
    const source = compiled.replace(/^dist\//, '').replace(/\.js$/, '.ts');
    if (!existsSync(join(root, source))) rmSync(join(root, compiled));
  }
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error !== undefined) fail(`${command}: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
