import { packageVersion } from '../util/version.js';
import { vipctl } from './vipctl.js';

const terminal = {
  out: (text: string) => void process.stdout.write(text),
  error: (text: string) => void process.stderr.write(text),
};

// `vipctl vips | head` closes the pipe early; that is the reader's right, not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await vipctl(process.argv.slice(2), terminal, packageVersion());
