import every from './ava.config.js';
import { planes } from './ava.planes.config.js';
import { unprivileged } from './ava.unprivileged.config.js';

// What `npm test` runs after the suites that need no privilege, one test after another.
export default { ...every, files: [...every.files, ...[...unprivileged, ...planes].map((pattern) => `!${pattern}`)] };
