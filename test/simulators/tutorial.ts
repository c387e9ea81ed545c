import { faultOf, faultText, VipdError } from '../../ts/util/errors.js';
import { APP } from './app2.js';
import { manyNodes } from './manynodes.js';
import { oneNode } from './onenode.js';
import type { Stage } from './stage.js';
import { play } from './steps.js';

/** What `npm start -- --mesos` runs, with `--cluster N` on N nodes instead of one. Ends by itself with `--once`. */

/** undefined without `--cluster`. */
function clusterSize(): number | undefined {
  const at = process.argv.indexOf('--cluster');
  if (at < 0) return undefined;
  const size = Number(process.argv[at + 1] ?? '3');
  if (Number.isInteger(size) && size >= 2 && size <= 20) return size;
  throw new VipdError({ code: 'USAGE_INVALID', object: '--cluster', cause: 'wants a number of nodes from 2 to 20' });
}

/** Commands that work wherever it is played. */
function visits({ cluster }: Stage): readonly string[] {
  const json = `-H 'content-type: application/json' -d '{"instances":3}'`;
  return [
    `curl -s -X PUT ${json} ${cluster.marathon.url}/v2/apps${APP}`,
    `packaging/bin/vipctl endpoints ${APP}`,
    'packaging/bin/vipctl explain dcos-101app2.marathon',
  ];
}

/** The exit status at Ctrl-C: before there are figures, 130 as for any interrupted program. */
let outcome = 130;

async function tutorial(): Promise<number> {
  const size = clusterSize();
  const stage = await (size === undefined ? oneNode() : manyNodes(size));
  const { failed, address } = await play(stage);
  outcome = failed === 0 ? 0 : 1;
  if (process.argv.includes('--once')) {
    await stage.close();
    return outcome;
  }
  const commands = [...stage.invitation(address), ...visits(stage)]; // who reads the next line may try them at once
  console.log(`Serving until Ctrl-C. In another terminal, in this directory, as root:\n`);
  console.log(`${commands.map((line) => `  ${line}`).join('\n')}\n`);
  return new Promise(() => {}); // until Ctrl-C
}

const interrupted = new Promise<number>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => resolve(outcome));
});
try {
  process.exit(await Promise.race([tutorial(), interrupted]));
} catch (error) {
  console.error(`vipd: ${faultText(faultOf(error, 'tutorial'))}`);
  process.exit(1);
}
