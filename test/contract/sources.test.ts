import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ServiceDefinition } from '../../ts/model/service.js';
import { serviceToJson } from '../../ts/model/validation.js';
import { ApiSource } from '../../ts/sources/api.js';
import { FileSource } from '../../ts/sources/file.js';
import { sourceContract } from './source.js';

sourceContract(test, 'file source', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'vipd-test-'));
  const path = join(directory, 'services.json');
  return {
    source: () => new FileSource({ path }),
    set: async (services) => {
      await writeFile(`${path}.new`, JSON.stringify({ services: services.map(serviceToJson) }));
      await rename(`${path}.new`, path);
    },
    dispose: () => rm(directory, { recursive: true }),
  };
});

sourceContract(test, 'file source of a directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'vipd-test-'));
  let known: readonly string[] = [];
  return {
    source: () => new FileSource({ path: directory }),
    set: async (services: readonly ServiceDefinition[]) => {
      const names = services.map(({ name }) => name);
      for (const name of known) if (!names.includes(name)) await rm(join(directory, `${name}.yaml`));
      for (const one of services) {
        const text = JSON.stringify({ services: [serviceToJson(one)] });
        await writeFile(join(directory, `.${one.name}`), text);
        await rename(join(directory, `.${one.name}`), join(directory, `${one.name}.yaml`));
      }
      known = names;
    },
    dispose: () => rm(directory, { recursive: true }),
  };
});

sourceContract(test, 'api source', async () => {
  const stateDir = await mkdtemp(join(tmpdir(), 'vipd-test-'));
  const source = new ApiSource({ stateDir });
  return {
    source: () => source,
    set: (services) => source.apply(services),
    dispose: () => rm(stateDir, { recursive: true }),
  };
});
