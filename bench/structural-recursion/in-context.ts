import { runProgram } from "../../src/programs/run.js";
import { type RecursionOutput, structuralRecursion } from "../../src/programs/structural-recursion.js";
import { Quire } from "../../src/quire.js";
import type { Outcomes } from "./outcomes.js";

/** The suite asked of general models in their context: how many demonstrations help, and how an evaluation by steps goes wrong. */

export interface Asked {
  readonly model: string;
  readonly task: "succ" | "in";
  readonly mode: "answer" | "reduce";
  readonly shots: number;
}

export interface AskedOutcome extends Omit<RecursionOutput, "judged"> {
  readonly calls: number;
  readonly copies: number;
}

const sets = { succ: ["natural", "all-carry", "longer"], in: ["natural", "left-comb", "larger"] } as const;

export function everyAsked(model: string | undefined, quick: boolean): Asked[] {
  const [first, second] = model === undefined ? ["smollm2-135m-instruct", "gemma-3-270m"] : [model, undefined];
  const answer = (name: string, shots: number): Asked => ({ model: name, task: "succ", mode: "answer", shots });
  if (quick) return [answer(first as string, 4)];
  return [
    ...[0, 4, 8].map((shots) => answer(first as string, shots)),
    ...(second === undefined ? [] : [0, 4, 8].map((shots) => answer(second, shots))),
    { model: first as string, task: "in", mode: "answer", shots: 8 },
    { model: first as string, task: "succ", mode: "reduce", shots: 4 },
  ];
}

export interface InContextRun {
  readonly asked: readonly Asked[];
  readonly cases: number;
  readonly seed: number;
  readonly threads: number;
  readonly kept: Outcomes;
  readonly keyOf: (asked: Asked) => string;
  progress(text: string): void;
}

export async function askInContext(run: InContextRun): Promise<void> {
  let quire: Quire | undefined;
  let opened: string | undefined;
  try {
    for (const asked of run.asked) {
      const key = run.keyOf(asked);
      if (run.kept.get(key) !== undefined) continue;
      if (opened !== asked.model) {
        await quire?.close();
        quire = await Quire.open(asked.model, { threads: run.threads });
        opened = asked.model;
      }
      const { model: _, ...options } = asked;
      const title = askedTitle(asked);
      const { output, trace } = await runProgram(
        structuralRecursion(options),
        {
          cases: run.cases,
          sets: sets[asked.task],
          onCase: (done, total) => {
            if (done % 5 === 0) run.progress(`${title}: ${done} of ${total}`);
          },
        },
        { model: (quire as Quire).languageModel(), seed: run.seed },
      );
      const { judged, ...rest } = output;
      const copies = judged.filter(({ input, said }) => input === said).length;
      await run.kept.add(key, { ...rest, calls: trace.calls, copies } satisfies AskedOutcome);
      run.progress(`${title}: ${rest.sets.map(({ set, exact, cases }) => `${set} ${exact}/${cases}`).join(", ")}`);
    }
  } finally {
    await quire?.close();
  }
}

export function askedTitle({ model, mode, shots }: Asked): string {
  return `${model}, ${shots} shown${mode === "reduce" ? ", every step" : ""}`;
}
