/** Time as the monitor needs it, so that tests can hold it in their hands. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls back once after `ms`; the returned function prevents it. */
  after(ms: number, callback: () => void): () => void;
  /** 0 to 1, to spread checks over their interval. */
  random(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms, callback) => {
    // The immediate lets answers that have already arrived be read first: when something else has kept this process
    // busy, a timeout is due before the answer has had its turn, and a good backend would look dead.
    let immediate: NodeJS.Immediate | undefined;
    const timer = setTimeout(() => {
      immediate = setImmediate(callback);
    }, ms);
    return () => {
      clearTimeout(timer);
      clearImmediate(immediate);
    };
  },
  random: () => Math.random(),
};
