/** Where a falling row of scores bends: how many of them stand out. No number is set beforehand. */

const flat = 1e-6;
const noise = 1e-9;

/** Scores from high to low; how many come before the first drop that is more than `z` deviations above the mean drop, or else before
 *  the steepest of the drops that grow. All of them where there is no bend. */
export function elbow(scores: readonly number[], z = 1): number {
  const n = scores.length;
  if (n <= 2) return n;
  const drops = scores.slice(0, -1).map((score, i) => score - scores[i + 1]!);
  const mean = drops.reduce((sum, drop) => sum + drop, 0) / drops.length;
  const deviation = Math.sqrt(drops.reduce((sum, drop) => sum + (drop - mean) ** 2, 0) / drops.length);
  if (deviation >= flat) {
    const first = drops.findIndex((drop) => (drop - mean) / deviation > z + noise);
    if (first >= 0) return first + 1;
  }
  let steepest = -1;
  let most = flat;
  for (let i = 0; i + 1 < drops.length; i++) {
    const growth = drops[i + 1]! - drops[i]!;
    if (growth > most + noise) {
      most = growth;
      steepest = i;
    }
  }
  return steepest < 0 ? n : steepest + 2;
}
