import every from './ava.config.js';
import { unprivileged } from './ava.unprivileged.config.js';

// The privileged suites without a network of namespaces: `npm test` runs them beside those that have one.
export const planes = ['bpf', 'contract', 'fuzz', 'native', 'vm'].map((name) => `dist/test/${name}/**/*.test.js`);

export default { ...every, files: [...planes, ...unprivileged.map((pattern) => `!${pattern}`)] };
