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
import { sock } from './sock.js';
import { sources } from './sources.js';
import { spread } from './spread.js';
import { start } from './start.js';
import { traffic, trafficNames } from './traffic.js';
import { allVariants, remoteVariants } from './variants.js';

/**
 * `npm run bench [-- NAME…] [--rounds N] [--nodes N] [--kernel 6.1|6.12] [--record]`: everything, or what is named; of a
 * cluster up to so many nodes; IPVS on one of the kernels for guests; see README.md here.
 */

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

/** What each benchmark is, in the order they are run; `traffic` is the columns of its table too. */
const benchmarks: Readonly<Record<string, (say: Say) => Promise<void>>> = {
  traffic: (say) => traffic(() => allVariants(owner), ways(), rounds, say),
  remote: (say) => traffic(() => remoteVariants(owner), ways(), rounds, say),
  sock: (say) => sock(owner, rounds, say),
  dataplane: (say) => dataplane(owner, say),
  programming: (say) => programming(owner, rounds, say),
  start: (say) => start(rounds, say),
  sources: (say) => sources(owner, rounds, say),
  cluster: clusters,
  spread: async (say) => spread(say),
  dns: (say) => dns(owner, rounds, say),
  ipvs: (say) => ipvs(kernelNamed(values.kernel), rounds, say),
};

/** The columns of traffic that are named, or all. */
function ways(): readonly string[] {
  const named = asked.filter((name) => trafficNames.includes(name));
  return named.length > 0 ? named : trafficNames;
}

function chosen(): readonly string[] {
  const unknown = asked.find((name) => !(name in benchmarks) && !trafficNames.includes(name));
  const all = Object.keys(benchmarks);
  if (unknown !== undefined)
    throw new Error(`there is no benchmark ${unknown}; there are ${[...all, ...trafficNames].join(', ')}`);
  // A cluster has its spread worked out too, with what was measured.
  if (asked.length === 0) return all.filter((name) => name !== 'spread');
  return all.filter(
    (name) => asked.includes(name) || (name === 'traffic' && asked.some((one) => trafficNames.includes(one))),
  );
}

async function bench(): Promise<void> {
  for (const name of chosen()) {
    const said: string[] = [];
    const say: Say = (text) => {
      said.push(text);
      console.log(text);
    };
    say(`${machine()}\n`);
    await benchmarks[name]?.(say);
    await cleanUp();
    if (values.record) record(name, said);
  }
}

function kernelNamed(name: string): KernelName {
  const found = kernelNames.find((one) => one === name);
  if (found === undefined) throw new Error(`there is no kernel ${name}; there are ${kernelNames.join(', ')}`);
  return found;
}

/** Few nodes with all that belongs to them, more without their kernels, and as many as one likes worked out. */
async function clusters(say: Say): Promise<void> {
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
