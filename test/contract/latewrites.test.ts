import { fileURLToPath } from 'node:url';
import test from 'ava';
import { Child } from '../../ts/quickstart/child.js';

const program = fileURLToPath(new URL('../helpers/programs/late-write.js', import.meta.url));
const run = (error: string) => Child.start([process.execPath, program, error]);

test('a write of libp2p to a connection that is gone ends nothing, and is counted', async (t) => {
  const child = run('late');
  t.is(await child.exited, 0, child.output);
  t.regex(child.output, /^alive, 1 late$/m);
});

test('any other error that nobody catches does', async (t) => {
  const child = run('other');
  t.not(await child.exited, 0);
  t.regex(child.output, /Error: other/);
  t.notRegex(child.output, /^alive/m);
});
