import { readFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import type { Output } from '../../api/routes/route.js';
import type { Routes } from '../../api/routes/routes.js';
import { isProblem, readVipLabel } from '../../model/label.js';
import { VipdError } from '../../util/errors.js';
import { exitStatus } from '../../util/exit.js';
import { table } from '../output.js';
import type { Commands } from '../session.js';

type Preview = Output<Routes['previewApp']>;

export function addMarathon(commands: Commands): void {
  const group = commands.group('marathon', 'labels of Marathon apps: what they mean, how to write them');
  const preview = 'the VIPs, names and addresses the labels of an app would get; - is standard input';
  group.add('preview <file>', preview).action(
    group.action(async (session, file: string) => {
      const preview = await session.client.previewApp({ body: readApp(file) });
      session.print(preview, () => previewText(preview));
      return preview.rejected.length === 0 ? exitStatus.ok : exitStatus.failed;
    }),
  );
  group
    .add('label', 'the label that gives a port of an app a VIP, for its portDefinitions or portMappings')
    .requiredOption('--port <port>', "the VIP's port", portNumber)
    .requiredOption('--name <name>', "the VIP's name, as /group/app, or its address")
    .option('--index <n>', 'of the label, when the port has others', '0')
    .action(
      group.action(async (session, { port, name, index }: { port: number; name: string; index: string }) => {
        const value = `${name}:${port}`;
        const read = readVipLabel(value, { framework: 'marathon', task: name });
        if (isProblem(read)) {
          const hint = read.mended === undefined ? {} : { hint: `write ${read.mended}` };
          throw new VipdError({ code: read.code, object: value, cause: read.reason, ...hint });
        }
        const labels = { [`VIP_${index}`]: value };
        session.print({ labels }, () => JSON.stringify({ labels }, null, 2));
        return exitStatus.ok;
      }),
    );
}

function previewText({ vips, rejected }: Preview): string {
  const columns = ['VIP', 'NAME', 'ADDRESS', 'TAKEN BY'].map((title) => ({ title }));
  const rows = vips.map(({ vip, name = '-', address, source = '-' }) => [vip, name, address, source]);
  const lines = rows.length === 0 ? ['no label asks for a VIP'] : [table(columns, rows)];
  const bad = rejected.map(({ key, value, reason, mended }) => {
    return `${key}=${value} makes none: ${reason}${mended === undefined ? '' : `; write ${mended}`}`;
  });
  return [...lines, ...bad].join('\n');
}

function readApp(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'));
  } catch (error) {
    throw new VipdError({ code: 'FILE_UNREADABLE', object: file, cause: (error as Error).message }, { cause: error });
  }
}

function portNumber(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError('a number from 1 to 65535 is wanted');
}
