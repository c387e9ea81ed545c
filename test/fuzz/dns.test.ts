import test from 'ava';
import { times } from '../helpers/thorough.js';
import { fuzzDns } from './dns/campaign.js';
import { fuzzServer } from './dns/server.js';
import { freshSeed } from './random.js';
import { seedsFrom } from './seeds.js';

/** A slice of what `npm run fuzz -- dns` does. */
const EPOCHS = times(1, 2);

test.serial('damaged questions and replies are answered by the rules, or not at all', async (t) => {
  const { failure, summary } = await fuzzDns(seedsFrom(freshSeed(), EPOCHS));
  t.log(summary);
  t.is(failure, undefined);
});

// One after the other: the first holds the event loop for seconds at a time.
test.serial('the same over sockets, UDP and TCP, with threads that receive and send', async (t) => {
  const { failure, summary } = await fuzzServer(seedsFrom(freshSeed(), EPOCHS));
  t.log(summary);
  t.is(failure, undefined);
});
