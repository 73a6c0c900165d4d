/** Draws the waveform: each measurement is a crest or a trough, as high as the sound was loud. */

/**
 * Returns an SVG path through `readings` (from 0 to 1, the latest last) in a box of this size. `count` is the number
 * of all readings so far: with it, a crest stays a crest while it moves.
 */
export function waveformPath(readings: readonly number[], count: number, width: number, height: number): string {
  const step = width / (readings.length - 1);
  const middle = height / 2;
  const points = readings.map((reading, index) => {
    const side = (index + count) % 2 === 0 ? 1 : -1;
    return [index * step, middle + side * reading * (middle - 1)] as const;
  });
  const path = [`M${round(points[0]![0])} ${round(points[0]![1])}`];
  for (let at = 1; at < points.length; at++) {
    const [[x0, y0], [x1, y1]] = [points[at - 1]!, points[at]!];
    // The curve is horizontal at each point.
    path.push(`C${round(x0 + step / 2)} ${round(y0)} ${round(x1 - step / 2)} ${round(y1)} ${round(x1)} ${round(y1)}`);
  }
  return path.join('');
}

const round = (value: number) => Math.round(value * 10) / 10;
