/** The best parts under a limit: dynamic programming over units. A cut before unit i is worth its score less a half, so a cut that
 *  was wished for pays and one that was not costs, and the limit holds always. Of equally good partitions the one of the most even
 *  parts, then the one that cuts earlier. */

/** `tokens` and `scores` of each unit (the first's score counts nothing), no unit above the limit; gives each part's first unit. */
export function chooseCuts(tokens: readonly number[], scores: readonly number[], limit: number): number[] {
  const count = tokens.length;
  const best = new Float64Array(count + 1);
  const squares = new Float64Array(count + 1);
  const from = new Int32Array(count + 1);
  for (let end = 1; end <= count; end++) {
    best[end] = Number.NEGATIVE_INFINITY;
    let sum = 0;
    for (let start = end - 1; start >= 0; start--) {
      sum += tokens[start]!;
      // A single unit always stands, so that there is a partition.
      if (sum > limit && start < end - 1) break;
      const value = best[start]! + (start > 0 ? scores[start]! - 0.5 : 0);
      const square = squares[start]! + sum * sum;
      // Going backwards, an equal one found later cuts earlier.
      if (value > best[end]! || (value === best[end] && square <= squares[end]!)) {
        best[end] = value;
        squares[end] = square;
        from[end] = start;
      }
    }
  }
  const starts: number[] = [];
  for (let end = count; end > 0; end = from[end]!) starts.push(from[end]!);
  return starts.reverse();
}
