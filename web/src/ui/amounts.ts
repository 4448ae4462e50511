/** Amounts as people read them. */

export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export const whole = (count: number): string => count.toLocaleString("en");

export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${whole(count)} ${count === 1 ? one : many}`;

export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** Seconds since 1970, as OpenAI writes times, or milliseconds, to milliseconds. */
export const asMilliseconds = (time: number): number => (time < 1e11 ? time * 1000 : time);

export function day(time: number): string {
  return new Date(asMilliseconds(time)).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
}

export const lineRange = (start: number, end: number): string =>
  start === end ? `line ${start}` : `lines ${start}–${end}`;
