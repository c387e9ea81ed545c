import { rootTest } from '../helpers/needs.js';
import { times } from '../helpers/thorough.js';
import { fuzzFrames } from './frames/campaign.js';
import { freshSeed } from './random.js';
import { seedsFrom } from './seeds.js';

/** Of some 200,000 runs each: a slice of what `npm run fuzz` does. */
const EPOCHS = times(4, 12);

rootTest('millions of mutated frames are each treated for a reason, or left as they are', async (t) => {
  const { failure, summary } = await fuzzFrames(seedsFrom(freshSeed(), EPOCHS));
  t.log(summary);
  t.is(failure, undefined);
});
