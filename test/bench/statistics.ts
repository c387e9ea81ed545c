/** Of an odd number of values the middle one, of an even number the upper of the two. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Half of the distance between the smallest and the largest, relative to the median. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / 2 / median(values);
}

/** `12.3–14.0`: the middle half of the values lies between. */
export function quartiles(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)]?.toFixed(1);
  return `${at(0.25)}–${at(0.75)}`;
}

/** `+14 %`, `-6 %`: how far `value` is from `base`. */
export function change(value: number, base: number): string {
  const percent = Math.round((value / base - 1) * 100);
  return `${percent > 0 ? '+' : ''}${percent} %`;
}

/** Values of several rounds: `26.54 ±2 %`. */
export function figure(values: readonly number[], digits = 2): string {
  return `${median(values).toFixed(digits)} ±${Math.round(spread(values) * 100)} %`;
}

/** Rows of cells as text, columns aligned to the right but for the first. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
    )
    .join('\n');
}
