import { join } from 'node:path';
import { Child } from '../../ts/quickstart/child.js';
import type { Figures } from '../../ts/quickstart/client.js';
import { until } from '../../ts/quickstart/until.js';
import { packageRoot } from '../../ts/util/paths.js';

/** A client that asks without end, each time over a connection of its own. */
export interface Load {
  /** What came of the requests since the last time. */
  take(): Promise<Figures>;
  stop(): Promise<void>;
}

const program = join(packageRoot, 'dist/test/simulators/load-client.js');

/** @param place the command that runs another where its traffic meets the VIP */
export async function startLoad(place: (argv: readonly string[]) => string[], url: string): Promise<Load> {
  const child = Child.start(place([process.execPath, program, url]), { interactive: true });
  await child.wrote('ready');
  return {
    take: async () => {
      const before = child.output.length;
      child.say('');
      const line = await until('figures', 30_000, () => {
        const lines = child.output.slice(before).split('\n');
        return lines.length > 1 && lines[0];
      });
      return JSON.parse(line) as Figures;
    },
    stop: async () => void (await child.stop()),
  };
}
