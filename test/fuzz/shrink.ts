/**
 * Leaves out of a list what can be left out: larger pieces first, then smaller ones, down to single elements
 * (after Zeller and Hildebrandt, TSE 2002). What is left fails, and no single element of it is superfluous.
 */
export async function shrunk<T>(list: readonly T[], fails: (list: readonly T[]) => Promise<boolean>): Promise<T[]> {
  let left = [...list];
  for (let piece = Math.ceil(left.length / 2); piece > 0; piece = piece === 1 ? 0 : Math.ceil(piece / 2)) {
    let shorter = true;
    while (shorter) {
      shorter = false;
      for (let at = 0; at < left.length; at += piece) {
        const without = left.toSpliced(at, piece);
        if (!(await fails(without))) continue;
        left = without;
        shorter = piece === 1;
        at -= piece;
      }
    }
  }
  return left;
}
