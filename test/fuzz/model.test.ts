import { rootTest } from '../helpers/needs.js';
import { times } from '../helpers/thorough.js';
import { compareWithModel } from './model/campaign.js';
import { stages } from './model/stage.js';
import { freshSeed } from './random.js';
import { seedsFrom } from './seeds.js';

/** A slice of what `npm run fuzz` does. */
const SEQUENCES = times(50, 150);

for (const stage of stages) {
  rootTest(`the programs do what their model does: ${stage.name}`, async (t) => {
    const { failure, summary } = await compareWithModel(stage, seedsFrom(freshSeed(), SEQUENCES));
    t.log(summary);
    t.is(failure, undefined);
  });
}
