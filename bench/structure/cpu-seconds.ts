/** Seconds of processor time, all threads together, that a call took: on a machine that does other things too, this is what it costs. */
export function cpuSeconds<Result>(call: () => Result): { result: Result; seconds: number } {
  const before = process.cpuUsage();
  const result = call();
  const { user, system } = process.cpuUsage(before);
  return { result, seconds: (user + system) / 1e6 };
}
