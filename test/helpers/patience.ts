/** A deadline in milliseconds: for a machine; where one is emulated everything takes its multiple. */
export function patient(milliseconds: number): number {
  return milliseconds * Number(process.env.VIPD_TEST_PATIENCE ?? 1);
}
