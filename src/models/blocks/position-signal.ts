/** Sinusoids that tell positions apart, [positions, width]: sines of all frequencies, then their cosines. The frequencies fall from 1 to
 *  1/10000 in equal ratios. */
export function positionSignal(positions: number, width: number): Float32Array {
  const half = width / 2;
  const table = new Float32Array(positions * width);
  for (let c = 0; c < half; c++) {
    const frequency = half === 1 ? 1 : 10_000 ** (-c / (half - 1));
    for (let position = 0; position < positions; position++) {
      table[position * width + c] = Math.sin(position * frequency);
      table[position * width + half + c] = Math.cos(position * frequency);
    }
  }
  return table;
}
