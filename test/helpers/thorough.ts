/** Where $VIPD_THOROUGH is set, what is a matter of repetition is repeated as often as it takes to be sure; else as often as CI has time for. */
export function times(few: number, thorough: number): number {
  return process.env.VIPD_THOROUGH === undefined ? few : thorough;
}
