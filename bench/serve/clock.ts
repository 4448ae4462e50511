/** What time it is for those who wait. */
export interface Clock {
  readonly title: string;
  /** Milliseconds. */
  now(): number;
  /** Resolves when it is so late. */
  until(ms: number): Promise<void>;
  /** Between two passes; `idle`: nothing is being worked on. */
  tick(idle: boolean): void;
}

export function wallClock(): Clock {
  return {
    title: "time on the wall",
    now: () => performance.now(),
    until: async (ms) => {
      const wait = ms - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    },
    tick: () => {},
  };
}

/** Time passes as this process computes, so that other programs on the machine do not count; where nothing is computed it jumps to
 *  the next arrival. For one thread, whose waiting for others is not counted either. */
export function processorClock(): Clock {
  let skipped = 0;
  const waiting: { readonly ms: number; go(): void }[] = [];
  const now = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000 + skipped;
  };
  return {
    title: "processor time",
    now,
    until: (ms) => new Promise((go) => waiting.push({ ms, go })),
    tick: (idle) => {
      waiting.sort((a, b) => a.ms - b.ms);
      const next = waiting[0];
      if (idle && next !== undefined) skipped += Math.max(0, next.ms - now());
      while (waiting.length > 0 && (waiting[0]?.ms ?? 0) <= now()) waiting.shift()?.go();
    },
  };
}

/** One thread can be measured beside other programs; several wait for each other, and only the wall tells how long. */
export function clockFor(threads: number): Clock {
  return threads === 1 ? processorClock() : wallClock();
}
