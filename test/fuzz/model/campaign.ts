import type { Outcome } from '../frames/campaign.js';
import { Differential } from './differential.js';
import { disagreementText, sequence } from './sequence.js';
import type { Stage } from './stage.js';

/** Plays a sequence for each seed on a stage, until kernel and model disagree. */
export async function compareWithModel(stage: Stage, seeds: Iterable<number>): Promise<Outcome> {
  const between = await Differential.open(stage);
  let played = 0;
  try {
    let failure: string | undefined;
    for (const seed of seeds) {
      const found = await sequence(between, seed);
      played++;
      if (found === undefined) continue;
      const replay = `replay with: npm run fuzz -- model --seed ${seed}`;
      failure = [`${stage.name}, seed ${seed}:`, disagreementText(found), replay].join('\n');
      break;
    }
    const counts = Object.entries(await between.plane.verdicts()).filter(([, count]) => count > 0n);
    const text = counts.map(([name, count]) => `${count} ${name}`).join(', ');
    return { failure, summary: `${stage.name}: ${played} sequences of ${stage.moves} moves: ${text}` };
  } finally {
    await between.close();
  }
}
