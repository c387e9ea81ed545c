/** Seeds one after another, so many. */
export function* seedsFrom(first: number, count: number): Generator<number> {
  for (let i = 0; i < count; i++) yield first + i;
}

/** Seeds one after another, until the time is over. */
export function* seedsFor(first: number, seconds: number): Generator<number> {
  const end = performance.now() + seconds * 1000;
  for (let seed = first; performance.now() < end; seed++) yield seed;
}
