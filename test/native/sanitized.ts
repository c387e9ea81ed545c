import { createRequire } from 'node:module';
import { misuses } from './misuse.js';

// Runs all misuses against the addon named on the command line; test/native/sanitizer.test.ts gives it the sanitized one.

const addon = createRequire(import.meta.url)(process.argv[2] ?? '');
for (const { title, run } of misuses) {
  await run(addon);
  console.log(title);
}
