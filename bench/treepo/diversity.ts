/** How different answers are from each other. */

/** Share of answers that no earlier one equals. */
export function distinctShare(answers: readonly (readonly number[])[]): number {
  return new Set(answers.map((tokens) => tokens.join(" "))).size / answers.length;
}

/** Mean over all pairs of the edit distance in tokens, by the longer one's length: 0 equal, 1 nothing in common. */
export function meanPairDistance(answers: readonly (readonly number[])[]): number {
  let sum = 0;
  let pairs = 0;
  for (let i = 0; i < answers.length; i++) {
    for (let j = i + 1; j < answers.length; j++) {
      const [a, b] = [answers[i] as readonly number[], answers[j] as readonly number[]];
      sum += editDistance(a, b) / Math.max(1, a.length, b.length);
      pairs++;
    }
  }
  return pairs === 0 ? 0 : sum / pairs;
}

export function editDistance(a: readonly number[], b: readonly number[]): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (above[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(change, (above[j] as number) + 1, (row[j - 1] as number) + 1));
    }
    above = row;
  }
  return above[b.length] as number;
}
