import { BpfError } from '../../ts/libbpf/errors.js';
import { missingCapabilities } from '../../ts/libbpf/features.js';
import { openFixture } from './objects.js';

// Run without capabilities: opening works, loading says what is missing.

const object = openFixture();
console.log(`${object.maps.length} maps`);
console.log(missingCapabilities().join(' '));
try {
  object.load();
} catch (error) {
  console.log(error instanceof BpfError ? `${error.code}: ${error.message}` : error);
}
