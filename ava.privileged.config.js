import every from './ava.config.js';
import { unprivileged } from './ava.unprivileged.config.js';

// What `npm test` runs after the suites that need no privilege.
export default { ...every, files: [...every.files, ...unprivileged.map((pattern) => `!${pattern}`)] };
