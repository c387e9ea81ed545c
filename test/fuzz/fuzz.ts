import { faultOf, faultText } from '../../ts/util/errors.js';
import { EPOCH, fuzzDns } from './dns/campaign.js';
import { fuzzServer, SERVER_EPOCH } from './dns/server.js';
import { fuzzFrames, type Outcome } from './frames/campaign.js';
import { compareWithModel } from './model/campaign.js';
import { stages } from './model/stage.js';
import { freshSeed } from './random.js';
import { seedsFor, seedsFrom } from './seeds.js';

/**
 * `npm run fuzz [-- frames | model | dns | sockets] [--seconds N | --frames N] [--seed S]`: mutated frames through the packet
 * programs, for so long or so many through each, then sequences of packets and changes through them and their model, then
 * damaged DNS messages, for so long or so many, through the resolver, at last some to it over sockets. With a seed just what that seed stands for, to replay a failure.
 */

const parts = ['frames', 'model', 'dns', 'sockets'] as const;
/** Long enough for ten million frames through each program on two busy CPUs. */
const SECONDS = { frames: 120, model: 60, dns: 120, sockets: 60 };

const numberAfter = (option: string): number | undefined => {
  const at = process.argv.indexOf(option);
  return at < 0 ? undefined : Number(process.argv[at + 1]);
};
const seed = numberAfter('--seed');
const seconds = numberAfter('--seconds');
const frames = numberAfter('--frames');
/** Through each program, a seed; what a campaign's summary says. */
const FRAMES_A_SEED = 65_000;
const first = seed ?? freshSeed();
const asked = parts.filter((part) => process.argv.includes(part));

function frameSeeds(): Iterable<number> {
  return counted(FRAMES_A_SEED) ?? seeds(SECONDS.frames);
}

/** When a number is asked for, and nothing is replayed. */
function counted(each: number): Iterable<number> | undefined {
  return seed === undefined && frames !== undefined ? seedsFrom(first, Math.ceil(frames / each)) : undefined;
}

function seeds(defaultSeconds: number): Iterable<number> {
  return seed === undefined ? seedsFor(first, seconds ?? defaultSeconds) : seedsFrom(seed, 1);
}

function show({ failure, summary }: Outcome): void {
  console.log(summary);
  if (failure === undefined) return;
  console.error(failure);
  process.exitCode = 1;
}

try {
  console.log(`seeds from ${first}`);
  for (const part of asked.length > 0 ? asked : parts) {
    if (part === 'frames') show(await fuzzFrames(frameSeeds()));
    else if (part === 'dns') show(await fuzzDns(counted(EPOCH) ?? seeds(SECONDS.dns)));
    else if (part === 'sockets') show(await fuzzServer(counted(SERVER_EPOCH) ?? seeds(SECONDS.sockets)));
    else for (const stage of stages) show(await compareWithModel(stage, seeds(SECONDS.model / stages.length)));
  }
} catch (error) {
  console.error(`fuzz: ${faultText(faultOf(error, 'fuzzing'))}`);
  process.exitCode = 1;
}
