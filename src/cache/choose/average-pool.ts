/** Mean over a window of `kernel` neighbours, always divided by `kernel`: beyond both ends lie zeros, which damps the ends. */
export function averagePool(values: Float32Array, kernel: number): Float32Array {
  if (kernel === 1) return values;
  const half = (kernel - 1) / 2;
  const pooled = new Float32Array(values.length);
  for (let index = 0; index < values.length; index++) {
    let sum = 0;
    const last = Math.min(index + half, values.length - 1);
    for (let near = Math.max(index - half, 0); near <= last; near++) sum += values[near] as number;
    pooled[index] = sum / kernel;
  }
  return pooled;
}
