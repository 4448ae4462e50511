/** What every contender of this bench is asked: read a prompt, then go on greedily for some steps, whatever the tokens are. */

export interface DecodeLoad {
  /** Address of the built package's index.js. */
  readonly built: string;
  readonly modelPath: string;
  readonly threads: number;
  /** Room for prompt and steps; a contender that grows as needed may ignore it. */
  readonly contextTokens: number;
  readonly flashAttention?: boolean;
}

export interface DecodeTask {
  readonly prompt: Int32Array;
  /** Tokens after the first. */
  readonly steps: number;
  /** Also measure where the time goes; only Quire does. */
  readonly profile?: boolean;
}

export interface DecodeResult {
  /** The first token and those of the steps. */
  readonly tokens: number[];
  /** From the call to the first token: the time of the prompt. */
  readonly firstMs: number;
  /** Mean time of a step. */
  readonly stepMs: number;
  /** Processor time of a step, all threads of the process together: what waits for other programs does not count. */
  readonly stepCpuMs: number;
  /** The same of the prompt. */
  readonly firstCpuMs: number;
  readonly profile?: TokenProfile;
}

/** Mean milliseconds of a step. */
export interface TokenProfile {
  /** From the call of the native computation to the moment JavaScript goes on, the way between threads included. */
  readonly computeMs: number;
  /** The native computation alone, measured in another run by calling it without leaving the thread. */
  readonly nativeMs: number;
}

/** Measures a stream of tokens. The clock starts when the first is asked for. */
export async function timeTokens(stream: AsyncIterator<number>, steps: number): Promise<DecodeResult> {
  const tokens: number[] = [];
  const cpuStart = cpuMs();
  const start = performance.now();
  let first = start;
  let cpuFirst = cpuStart;
  while (tokens.length <= steps) {
    const next = await stream.next();
    if (next.done === true) throw new Error(`The stream ended after ${tokens.length} of ${steps + 1} tokens.`);
    if (tokens.length === 0) {
      first = performance.now();
      cpuFirst = cpuMs();
    }
    tokens.push(next.value);
  }
  const end = performance.now();
  const cpuEnd = cpuMs();
  await stream.return?.();
  const eachStep = (total: number) => (steps === 0 ? Number.NaN : total / steps);
  return {
    tokens,
    firstMs: first - start,
    stepMs: eachStep(end - first),
    firstCpuMs: cpuFirst - cpuStart,
    stepCpuMs: eachStep(cpuEnd - cpuFirst),
  };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
