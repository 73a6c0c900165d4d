/** How warm a day is on the map of a year: 0 for an empty one, up to 4. */
export type Heat = 0 | 1 | 2 | 3 | 4;

/** The steps between the shades follow how much somebody writes on a day: quarters of their own days, in words. */
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
