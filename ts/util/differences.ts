export interface Differences<T> {
  /** What was before, and is not any more or is another object now. */
  readonly gone: readonly (readonly [string, T])[];
  /** What is now, and was not before or was another object. */
  readonly come: readonly (readonly [string, T])[];
}

/** What is different between two maps whose values are never changed, only replaced. One look at each entry. */
export function differences<T>(before: ReadonlyMap<string, T>, now: ReadonlyMap<string, T>): Differences<T> {
  const gone: (readonly [string, T])[] = [];
  const come: (readonly [string, T])[] = [];
  if (before === now) return { gone, come };
  let known = 0;
  now.forEach((value, key) => {
    const last = before.get(key);
    if (last !== undefined) known += 1;
    if (last === value) return;
    if (last !== undefined) gone.push([key, last]);
    come.push([key, value]);
  });
  if (known === before.size) return { gone, come };
  before.forEach((value, key) => {
    if (!now.has(key)) gone.push([key, value]);
  });
  return { gone, come };
}
