import { Random } from '../random.js';
import { shrunk } from '../shrink.js';
import type { Differential, Moves } from './differential.js';
import { type Move, moveText } from './move.js';
import { MoveMaker } from './moves.js';

/** Kernel and model after the same moves; no move of these can be left out. */
export interface Disagreement {
  readonly seed: number;
  readonly moves: readonly Move[];
  readonly problem: string;
}

/** Plays the sequence of a seed. */
export async function sequence(between: Differential, seed: number): Promise<Disagreement | undefined> {
  const made: Move[] = [];
  const problem = await between.play(madeUp(between, seed, made));
  if (problem === undefined) return undefined;
  const moves = await shrunk(made, async (some) => (await between.play(given(some))) !== undefined);
  return { seed, moves, problem: (await between.play(given(moves))) ?? problem };
}

export function disagreementText({ moves, problem }: Disagreement): string {
  return [...moves.map(moveText), `=> ${problem}`].join('\n');
}

/** The moves of a seed; each is put down in `made`. */
function madeUp({ stage }: Differential, seed: number, made: Move[]): Moves {
  let maker: MoveMaker | undefined;
  let opening: Move[] = [];
  return (model) => {
    if (made.length >= stage.moves) return undefined;
    if (maker === undefined) {
      maker = new MoveMaker(stage, model, new Random(seed));
      opening = maker.opening();
    }
    const move = opening.shift() ?? maker.next();
    made.push(move);
    return move;
  };
}

function given(moves: readonly Move[]): Moves {
  const left = [...moves];
  return () => left.shift();
}
