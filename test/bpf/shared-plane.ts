import type { Limits } from '../../ts/dataplane/ebpf/shared-maps.js';
import { share } from '../helpers/shared-scene.js';
import { openPlane, type TestPlane } from './plane.js';

/** A plane for all tests of a file that reset it where they begin: to load the programs takes most of a second. */
export function sharePlane(limits: Partial<Limits> = {}): () => Promise<TestPlane> {
  return share(async (owner) => {
    const plane = await openPlane(limits);
    owner.teardown(() => plane.close());
    return plane;
  });
}
