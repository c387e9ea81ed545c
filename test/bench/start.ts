import { join } from 'node:path';
import { Child } from '../../ts/quickstart/child.js';
import { packageRoot } from '../../ts/util/paths.js';
import type { Say } from './record.js';
import { figure, table } from './statistics.js';

const script = join(packageRoot, 'packaging/run.sh');

/** Prints how long `npm start -- --once` takes to serve with everything built, and to have given all back; without npm itself. */
export async function start(rounds: number, say: Say): Promise<void> {
  const serving: number[] = [];
  const whole: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const begun = performance.now();
    const child = Child.start(['bash', script, 'start', '--once']);
    await child.wrote('vipd serves', 120_000);
    serving.push(performance.now() - begun);
    await child.success();
    whole.push(performance.now() - begun);
  }
  const rows = [
    ['npm start', 'ms'],
    ['until it serves', figure(serving, 0)],
    ['with 2,000 requests, until all is given back', figure(whole, 0)],
  ];
  say(`${table(rows)}\n`);
  say(`medians of ${rounds} rounds ± half the range\n`);
}
