/** Maps the mean square of samples to a loudness: 0 at -60 dB, which is silence, and 1 at full scale. */
export function loudness(power: number): number {
  return power > 0 ? Math.min(1, Math.max(0, 1 + (10 * Math.log10(power)) / 60)) : 0;
}
