import type { Figures } from './client.js';

const total = (counts: Readonly<Record<string, number>>) =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** How many requests got no answer. */
export function failures(...all: readonly Figures[]): number {
  return all.reduce((sum, figures) => sum + total(figures.failures), 0);
}

/** A table: one line for each client, one column for each backend and one for what failed. */
export function table(rows: Readonly<Record<string, Figures>>): string {
  const names = [...new Set(Object.values(rows).flatMap(({ answers }) => Object.keys(answers)))].sort();
  const lines = [
    ['requests from', ...names, 'failed'],
    ...Object.entries(rows).map(([client, figures]) => [
      client,
      ...names.map((name) => String(figures.answers[name] ?? 0)),
      failureText(figures.failures),
    ]),
  ];
  const width = (column: number) => Math.max(...lines.map((line) => line[column]?.length ?? 0));
  return lines
    .map((line) => line.map((cell, i) => (i === 0 ? cell.padEnd(width(i)) : cell.padStart(width(i)))).join('   '))
    .map((line) => `  ${line}`)
    .join('\n');
}

function failureText(failures: Readonly<Record<string, number>>): string {
  const reasons = Object.entries(failures).map(([code, count]) => `${count} ${code}`);
  return reasons.length === 0 ? '0' : `${total(failures)} (${reasons.join(', ')})`;
}

/** What a reader may try while it goes on serving. */
export function invitation(socket: string, url: string, resolver?: string): string {
  const vipctl = 'packaging/bin/vipctl';
  return [
    'Serving until Ctrl-C. In another terminal, in this directory, as root:',
    '',
    `  export VIPD_SOCKET=${socket}`,
    `  ${vipctl} status`,
    `  ${vipctl} exec -- curl -s ${url}`,
    `  ${vipctl} explain web`,
    `  ${vipctl} events --follow`,
    ...(resolver === undefined ? [] : namesText(vipctl, resolver)),
    '',
  ].join('\n');
}

function namesText(vipctl: string, resolver: string): string[] {
  return [
    '',
    'The same servers have a VIP with a name, and vipd answers DNS for it:',
    '',
    `  dig @${resolver} +short web.demo.l4lb.thisdcos.directory`,
    `  ${vipctl} dns lookup web.demo.l4lb.thisdcos.directory --trace`,
  ];
}
