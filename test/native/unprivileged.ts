import { BpfError } from '../../ts/libbpf/errors.js';
import { missingCapabilities } from '../../ts/libbpf/features.js';
import { openFixture } from './objects.js';

// `unprivileged.js [FIXTURE]`, run without some or all capabilities: opening works, loading too, or it says what is missing.

const object = openFixture(process.argv[2]);
console.log(`${object.maps.length} maps`);
console.log(missingCapabilities().join(' '));
try {
  object.load();
  console.log('loaded');
} catch (error) {
  console.log(error instanceof BpfError ? `${error.code}: ${error.message}` : error);
}
