/** The colour of a day on the heat map: 0 for a day without entries, up to 4. */
export type Heat = 0 | 1 | 2 | 3 | 4;

/** The colours divide the user's own days into quarters by their number of words. */
export function heatScale(words: readonly number[]): (words: number) => Heat {
  const sorted = words.filter((count) => count > 0).sort((a, b) => a - b);
  const quarter = (part: number) => sorted[Math.floor((sorted.length * part) / 4)] ?? Infinity;
  const [first, second, third] = [quarter(1), quarter(2), quarter(3)];
  return (count) => {
    if (count <= 0) return 0;
    if (count < first || sorted.length < 4) return sorted.length < 4 ? 3 : 1;
    return count < second ? 2 : count < third ? 3 : 4;
  };
}
