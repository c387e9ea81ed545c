import every from './ava.config.js';
import { unprivileged } from './ava.unprivileged.config.js';

// The suites that have a plane of their own, or a guest, and no network: `npm test` runs them beside those of the privileged
// ones that have.
export const planes = ['bpf', 'contract', 'fuzz', 'native', 'vm'].map((name) => `dist/test/${name}/**/*.test.js`);

export default { ...every, files: [...planes, ...unprivileged.map((pattern) => `!${pattern}`)] };
