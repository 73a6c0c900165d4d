/** The line of the level: waves as high as it was loud, one for two readings. */

/**
 * An SVG path through `readings` (from 0 to 1, the latest last) in a box of this size. `count` is how many there have been in
 * all, so that each wave keeps its side while it moves.
 */
export function pathOf(readings: readonly number[], count: number, width: number, height: number): string {
  const step = width / (readings.length - 1);
  const middle = height / 2;
  const points = readings.map((reading, index) => {
    const side = (index + count) % 2 === 0 ? 1 : -1;
    return [index * step, middle + side * reading * (middle - 1)] as const;
  });
  const path = [`M${round(points[0]![0])} ${round(points[0]![1])}`];
  for (let at = 1; at < points.length; at++) {
    const [[x0, y0], [x1, y1]] = [points[at - 1]!, points[at]!];
    // Level at each point, so that it is round.
    path.push(`C${round(x0 + step / 2)} ${round(y0)} ${round(x1 - step / 2)} ${round(y1)} ${round(x1)} ${round(y1)}`);
  }
  return path.join('');
}

const round = (value: number) => Math.round(value * 10) / 10;
