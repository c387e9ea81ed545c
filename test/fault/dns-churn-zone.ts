/** As many names as change in a second. */
export const names = 50_000;
export const churnZone = 'l4lb.thisdcos.directory';

export const churnName = (i: number) => `n${i}.f${i % 100}.${churnZone}`;

/** Whether a name is there in odd generations only. */
export const blinks = (i: number) => i % 4 === 3;
