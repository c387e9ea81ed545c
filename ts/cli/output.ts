export interface Column {
  readonly title: string;
  /** Numbers are easier to compare flush right. */
  readonly right?: boolean;
}

/** A table of aligned columns with a heading; no trailing blanks, one line per row. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const lines = [columns.map((column) => column.title), ...rows];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  return lines.map((line) => formatLine(line, columns, widths)).join('\n');
}

function formatLine(cells: readonly string[], columns: readonly Column[], widths: readonly number[]): string {
  const padded = cells.map((cell, i) => {
    const width = widths[i] ?? 0;
    return columns[i]?.right ? cell.padStart(width) : cell.padEnd(width);
  });
  return padded.join('  ').trimEnd();
}

/** Lines of `name  value`, the names padded to one width; a value with several lines is indented below its first. */
export function properties(pairs: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs
    .map(([name, value]) => `${name.padEnd(width)}  ${value.replaceAll('\n', `\n${' '.repeat(width + 2)}`)}`.trimEnd())
    .join('\n');
}

export function count(value: number | undefined): string {
  return value === undefined ? '-' : String(value);
}

/** A time in seconds, as short as makes sense: `0.9 µs`, `26 µs`, `1.4 ms`, `3.2 s`. */
export function duration(seconds: number | undefined): string {
  if (seconds === undefined) return '-';
  const [value, unit] = seconds < 1e-3 ? [seconds * 1e6, 'µs'] : seconds < 1 ? [seconds * 1e3, 'ms'] : [seconds, 's'];
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
}

/** 1024-based size: `17 B`, `3.4 MiB`. */
export function size(bytes: number | undefined): string {
  if (bytes === undefined) return '-';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power]}`;
}

/** How long ago, in its two largest units: `3d 4h`, `12m 5s`, `0s`. Times are milliseconds since the epoch. */
export function age(since: number | undefined, now: number): string {
  if (since === undefined) return 'never';
  let rest = Math.max(0, Math.floor((now - since) / 1000));
  const parts = Object.entries({ d: 86_400, h: 3_600, m: 60, s: 1 }).map(([unit, seconds]) => {
    const amount = Math.floor(rest / seconds);
    rest -= amount * seconds;
    return { amount, text: `${amount}${unit}` };
  });
  const first = parts.findIndex((part) => part.amount > 0);
  if (first < 0) return '0s';
  const shown = parts.slice(first, first + 2).filter((part) => part.amount > 0);
  return shown.map((part) => part.text).join(' ');
}
