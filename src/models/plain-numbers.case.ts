/** Plain arithmetic over arrays of numbers, f64, for references in tests. */

export type Vector = number[];

export function times(weight: ArrayLike<number>, x: Vector): Vector {
  const result: Vector = [];
  for (let row = 0; row < weight.length / x.length; row++) {
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += (x[i] as number) * (weight[row * x.length + i] as number);
    result.push(sum);
  }
  return result;
}

export function plus(a: Vector, b: ArrayLike<number>): Vector {
  return a.map((value, i) => value + (b[i] as number));
}

export function scaled(a: Vector, factor: number): Vector {
  return a.map((value) => value * factor);
}

export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

export function logSumExp(x: Vector): number {
  const most = Math.max(...x);
  return most + Math.log(x.reduce((sum, value) => sum + Math.exp(value - most), 0));
}

export function softmax(x: Vector): Vector {
  const total = logSumExp(x);
  return x.map((value) => Math.exp(value - total));
}

/** One query over entries of several heads of width `width`, heads of keys in equal groups: [H · D]. */
export function attended(query: Vector, keys: readonly Vector[], values: readonly Vector[], width: number): Vector {
  const result: Vector = [];
  const group = query.length / (keys[0] as Vector).length;
  for (let head = 0; head < query.length / width; head++) {
    const from = Math.floor(head / group) * width;
    const scores = keys.map((key) => {
      let sum = 0;
      for (let i = 0; i < width; i++) sum += (query[head * width + i] as number) * (key[from + i] as number);
      return sum / Math.sqrt(width);
    });
    const shares = softmax(scores);
    for (let i = 0; i < width; i++)
      result.push(values.reduce((sum, value, at) => sum + (shares[at] as number) * (value[from + i] as number), 0));
  }
  return result;
}

/** Mean loss of next tokens, given logits of every position. */
export function meanLoss(logits: readonly Vector[], targets: ArrayLike<number>): number {
  const losses = logits.map((row, at) => logSumExp(row) - (row[targets[at] as number] as number));
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

/** Largest difference, relative to the largest number of `b` where that is above 1. */
export function apart(a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number {
  let worst = 0;
  let size = 1;
  for (const [row, own] of b.entries()) {
    const other = a[row] ?? [];
    for (let i = 0; i < Math.max(own.length, other.length); i++) {
      const difference = Math.abs((other[i] as number) - (own[i] as number));
      worst = Math.max(worst, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
      size = Math.max(size, Math.abs(own[i] as number));
    }
  }
  return worst / size;
}
