/** The zone every server of the benchmark answers, each name with three addresses. */
export const benchZone = 'bench.example';
export const names = 1_000;

export const benchName = (i: number) => `n${i}.${benchZone}`;

/** Names of the upstream, any number of them. */
export const upstreamZone = 'up.example';
