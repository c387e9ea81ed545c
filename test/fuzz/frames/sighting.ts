import { Headers } from './headers.js';

export const programs = ['xdp_ingress', 'tc_ingress', 'tc_egress'] as const;
export type Program = (typeof programs)[number];

/** What the hook is told to do with the frame. */
export type Verdict = 'passed' | 'turned' | 'dropped';

/** XDP_DROP, XDP_PASS and XDP_TX; TCX_NEXT, TC_ACT_SHOT and TC_ACT_REDIRECT. */
const VERDICTS: Readonly<Record<'xdp' | 'tc', Readonly<Record<number, Verdict>>>> = {
  xdp: { 1: 'dropped', 2: 'passed', 3: 'turned' },
  tc: { [-1]: 'passed', 2: 'dropped', 7: 'turned' },
};

export function verdictOf(program: Program, answer: number): Verdict | undefined {
  return VERDICTS[program === 'xdp_ingress' ? 'xdp' : 'tc'][answer];
}

/** One frame that went into a program, and what came out. Buffers may be longer than the frames in them. */
export interface Sighting {
  program: Program;
  sent: Buffer;
  sentSize: number;
  /** Of what was sent. */
  headers: Headers;
  verdict: Verdict;
  got: Buffer;
  gotSize: number;
}

/** As if the frame had come without these bytes. */
export function without(seen: Sighting, from: number, to: number): Sighting {
  const sent = Buffer.concat([seen.sent.subarray(0, from), seen.sent.subarray(to)]);
  const sentSize = seen.sentSize - (to - from);
  const headers = new Headers();
  headers.read(sent, sentSize);
  return { ...seen, sent, sentSize, headers };
}

export function isUntouched({ sent, sentSize, got, gotSize, verdict }: Sighting): boolean {
  return verdict === 'passed' && gotSize === sentSize && sent.compare(got, 0, gotSize, 0, sentSize) === 0;
}
