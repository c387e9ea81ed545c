import { parseArgs } from 'node:util';
import { faultOf, faultText } from '../../ts/util/errors.js';
import type { Owner } from '../helpers/lab.js';
import { type KernelName, kernelNames } from '../vm/kernel.js';
import { cluster } from './cluster.js';
import { crowd } from './crowd.js';
import { dataplane } from './dataplane.js';
import { dns } from './dns.js';
import { ipvs } from './ipvs.js';
import { programming } from './programming.js';
import { machine, record, type Say } from './record.js';
import { sources } from './sources.js';
import { spread } from './spread.js';
import { start } from './start.js';
import { traffic, trafficNames } from './traffic.js';

/**
 * `npm run bench [-- NAME…] [--rounds N] [--nodes N] [--kernel 6.1|6.12] [--record]`: everything, or what is named; of a
 * cluster up to so many nodes; IPVS on one of the kernels for guests; see README.md here.
 */

const names = [...trafficNames, 'dataplane', 'programming', 'start', 'sources', 'cluster', 'spread', 'dns', 'ipvs'];

const undos: (() => Promise<void>)[] = [];
const owner: Owner = { teardown: (undo) => void undos.unshift(undo) };

async function cleanUp(): Promise<void> {
  for (const undo of undos.splice(0)) await undo();
}

const { values, positionals: asked } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    nodes: { type: 'string' },
    kernel: { type: 'string', default: '6.12' },
    record: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const rounds = Number(values.rounds);
const nodes = values.nodes === undefined ? undefined : Number(values.nodes);
const kernel = kernelNames.find((name): name is KernelName => name === values.kernel);

const said: string[] = [];
const say: Say = (text) => {
  said.push(text);
  console.log(text);
};

async function bench(): Promise<void> {
  const unknown = asked.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`there is no benchmark ${unknown}; there are ${names.join(', ')}`);
  if (kernel === undefined) throw new Error(`there is no kernel ${values.kernel}; there are ${kernelNames.join(', ')}`);
  say(`${machine()}\n`);
  const chosen = asked.length === 0 ? names : asked;
  const ways = chosen.filter((name) => trafficNames.includes(name));
  if (ways.length > 0) await traffic(owner, ways, rounds, say);
  await cleanUp();
  if (chosen.includes('dataplane')) await dataplane(owner, say);
  await cleanUp();
  if (chosen.includes('programming')) await programming(owner, rounds, say);
  if (chosen.includes('start')) await start(rounds, say);
  if (values.record) record(said);
  await cleanUp();
  if (chosen.includes('sources')) await sources(owner, rounds, say);
  await cleanUp();
  if (chosen.includes('cluster')) await clusters();
  else if (chosen.includes('spread')) spread(say);
  await cleanUp();
  if (chosen.includes('dns')) await dns(owner, rounds);
  await cleanUp();
  if (chosen.includes('ipvs')) await ipvs(kernel, rounds, say);
}

/** Few nodes with all that belongs to them, more without their kernels, and as many as one likes worked out. */
async function clusters(): Promise<void> {
  await cluster(owner, rounds, nodes, say);
  spread(say, await crowd(owner, [20, 50], say));
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(130)));
}
try {
  await bench();
} catch (error) {
  console.error(`bench: ${faultText(faultOf(error, 'benchmark'))}`);
  process.exitCode = 1;
} finally {
  await cleanUp();
}
