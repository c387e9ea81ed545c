import { Lab, type Owner } from '../helpers/lab.js';
import { type Count, type Counted, counter, type counts, ways } from './counted.js';
import { programmed } from './programming.js';
import { change, figure, median, table } from './statistics.js';

/** `ipvs-program.js ROUNDS`: the part of the benchmark that runs inside the guest; prints its tables, and lines with # of what is done. */
const rounds = Number(process.argv[2]);

const kinds = ['packets', 'flows', 'connections'] as const;
const titles = { packets: 'packet of a flow', flows: 'new flow', connections: 'TCP connection' };

type Counts = Partial<Record<(typeof kinds)[number], readonly number[]>>;

/** Has `work` use labs that are gone afterwards. */
async function owning<Out>(work: (owner: Owner) => Promise<Out>): Promise<Out> {
  const undos: (() => Promise<void>)[] = [];
  try {
    return await work({ teardown: (undo) => void undos.unshift(undo) });
  } finally {
    for (const undo of undos) await undo();
  }
}

const counted = (way: Counted): Promise<Counts> =>
  owning(async (owner) => {
    const count = await counter(owner, way);
    const chosen = kinds.filter((kind) => kind !== way.without);
    console.log(`# ${way.name}`);
    return Object.fromEntries(await inOrder(chosen, async (kind) => [kind, await repeated(count, kind)]));
  });

const repeated = (count: Count, kind: keyof typeof counts) =>
  inOrder(Array.from({ length: rounds }), () => count(kind));

async function inOrder<In, Out>(items: readonly In[], work: (item: In) => Promise<Out>): Promise<Out[]> {
  const results: Out[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

function cell(values: readonly number[] | undefined, base: readonly number[] | undefined): string[] {
  if (values === undefined || base === undefined) return ['–', ''];
  if (values === base) return [figure(values, 0), ''];
  const more = median(values) - median(base);
  return [figure(values, 0), `${more > 0 ? '+' : ''}${more.toFixed(0)} ${change(median(values), median(base))}`];
}

const results = await inOrder(ways, counted);
const rows = ways.map(({ name }, i) => [
  name,
  ...kinds.flatMap((kind) => cell(results[i]?.[kind], results[0]?.[kind])),
]);
console.log(table([['', ...kinds.flatMap((kind) => [titles[kind], 'more than direct'])], ...rows]));

// In a guest that counts an instruction is a nanosecond, so a millisecond is a million of them.
const steps = ['fill', 'read', 'change', 'adopt', 'remove'] as const;
const planes = ['ebpf', 'ipvs'] as const;
const programming = await owning(async (owner) => {
  const lab = Lab.create(owner);
  return inOrder(
    [1000, 10_000].flatMap((size) => planes.map((plane) => ({ size, plane }))),
    async ({ size, plane }) => {
      console.log(`# ${size} VIPs, ${plane}`);
      const costs = await programmed(lab, size, plane);
      return [
        `${size} VIPs of 10 backends, ${plane}`,
        ...steps.map((step) => costs[step].toFixed(step === 'change' ? 2 : 0)),
      ];
    },
  );
});
console.log(`\nmillions of instructions\n${table([['', ...steps], ...programming])}`);
