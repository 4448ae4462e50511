/** Degenerate text: some stretch occurs again and again. */

const stretch = 32;
const often = 8;
/** Characters that are looked at, at least. */
const look = 512;

/** Whether a stretch of 32 characters occurs 8 times (overlaps counted) in the end of a text: its last `least` characters, 512 at
 *  least. */
export function repeats(text: string, least = 0): boolean {
  const seen = text.slice(-Math.max(least, look));
  const counts = new Map<string, number>();
  for (let at = 0; at + stretch <= seen.length; at++) {
    const part = seen.slice(at, at + stretch);
    const count = (counts.get(part) ?? 0) + 1;
    if (count >= often) return true;
    counts.set(part, count);
  }
  return false;
}
