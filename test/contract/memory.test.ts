import test from 'ava';
import { MemoryDataPlane, MemoryKernel } from '../../ts/dataplane/memory.js';
import { dataPlaneContract, type PlaneHarness } from './dataplane.js';
import { FaultyDataPlane } from './faulty.js';

async function memory(): Promise<PlaneHarness> {
  const kernel = new MemoryKernel();
  return {
    plane: () => new MemoryDataPlane(kernel),
    damage: async (key) => new MemoryDataPlane(kernel).tamper({ remove: key }),
    dispose: async () => {},
  };
}

dataPlaneContract((title, body) => test.serial(title, body), 'memory', memory);

// The wrapper is a DataPlane too: with a share of 0 it must not be noticed.
dataPlaneContract(
  (title, body) => test.serial(title, body),
  'memory behind a faultless wrapper',
  async () => {
    const harness = await memory();
    return { ...harness, plane: () => new FaultyDataPlane(harness.plane(), { share: 0, seed: 1 }) };
  },
);
