import { Device } from "../../src/tensor/device.js";
import type { Score } from "../../src/train/recursion/judge-trained.js";
import type { Bench, BenchOptions, Findings, Row } from "../lib/report.js";
import { type Spread, single } from "../lib/statistics.js";
import { type Arm, arms, learningRate, modelSize, seeds, sequences } from "./arms.js";
import { type Asked, type AskedOutcome, askedTitle, askInContext, everyAsked } from "./in-context.js";
import { Outcomes } from "./outcomes.js";
import { type ArmOutcome, recipeOf, trainArm } from "./train-arm.js";

/** Do small transformers that are trained on recursive functions compute them, and do general models in their context? Each is scored
 *  on every test set apart, and failures are compared with the shortcuts that may have been learnt. Each part is kept as it ends, so
 *  a run that was stopped goes on. */

export const structuralRecursionBench: Bench = { title: "Structural recursion: the function, or a shortcut", run };

interface InContext {
  readonly asked: Asked;
  readonly outcome: AskedOutcome;
}

interface Measured {
  readonly arm: Arm;
  readonly steps: number;
  readonly outcomes: readonly ArmOutcome[];
}

const quickSteps = 60;

async function run(options: BenchOptions): Promise<Findings> {
  const { quick, seed, threads = 1, progress, saved } = options;
  const kept = await Outcomes.open();
  const cases = quick ? 60 : 500;
  const chosenSeeds = quick ? [seed] : seeds.map((one) => one + seed - 1);
  const chosenArms = quick ? arms.slice(0, 1) : arms;
  const found = new Map<Arm, ArmOutcome[]>(chosenArms.map((arm) => [arm, []]));
  const device = Device.open({ device: "cpu", threads });
  try {
    // Seed after seed, so that a stopped run has something of every arm.
    for (const last of [false, true]) {
      for (const [armSeed, arm] of chosenSeeds.flatMap((one) => chosenArms.map((arm) => [one, arm] as const))) {
        if ((arm.last ?? false) !== last) continue;
        const steps = quick ? quickSteps : arm.steps;
        const { data: _, ...recipe } = recipeOf(arm, armSeed, steps);
        const key = Outcomes.key([recipe, arm.task.name, arm.setting, arm.name, cases]);
        const name = `${arm.setting}, ${arm.name}, seed ${armSeed}`;
        let outcome = kept.get<ArmOutcome>(key);
        if (outcome === undefined && !saved) {
          outcome = await trainArm({
            ...{ arm, seed: armSeed, steps, cases, device, key },
            progress: (text) => progress(`${name}: ${text}`),
          });
          await kept.add(key, outcome);
          progress(`${name}: ${setLine(outcome)}`);
        }
        if (outcome !== undefined) found.get(arm)?.push(outcome);
      }
    }
  } finally {
    await device.close();
  }
  const asked = everyAsked(options.model, quick);
  const perSet = quick ? 3 : 8;
  const keyOf = (one: Asked): string => Outcomes.key(["in context", one, perSet, seed]);
  if (!saved) await askInContext({ asked, cases: perSet, seed, threads, kept, keyOf, progress });
  const inContext = asked.flatMap((one) => {
    const outcome = kept.get<AskedOutcome>(keyOf(one));
    return outcome === undefined ? [] : [{ asked: one, outcome }];
  });
  const trained = [...found].map(([arm, outcomes]) => ({ arm, outcomes, steps: quick ? quickSteps : arm.steps }));
  return report(trained, inContext, { cases, runs: chosenSeeds.length });
}

function report(
  all: readonly Measured[],
  inContext: readonly InContext[],
  { cases, runs }: { cases: number; runs: number },
): Findings {
  const measured = all.filter(({ outcomes }) => outcomes.length > 0);
  return {
    title: structuralRecursionBench.title,
    summary: `Small transformers trained on functions that are defined by recursion, and what they do where random inputs hardly ever lead. Exact: the whole answer is right, in per cent of the cases of a test set (up to ${cases}, none seen in training); mean over seeds, in brackets the least and the most. Natural: drawn as in training. The other sets hold one kind of edge case each. A shortcut explains a failure where it says the same wrong thing; its number is chosen on half of the failures and judged on the other half.`,
    columns: {
      exact: { title: "exact", unit: "%", digits: 1, better: "higher" },
      cases: { title: "cases", unit: "", digits: 0, better: "neither" },
      unread: { title: "unreadable", unit: "%", digits: 0, better: "lower" },
    },
    rows: [...measured.flatMap(setRows), ...inContext.flatMap(contextRows)],
    ratios: Object.fromEntries(measured.flatMap(gaps)),
    targets: {},
    checks: [],
    charts: [{ measure: "exact", title: "Exact answers by test set", settings: chartSettings(measured) }],
    versions: {},
    notes: [
      ...measured.flatMap(shortcutNotes),
      ...measured.map(depthNote),
      ...inContext.map(contextNote),
      ...unfinishedNotes(all, runs),
      ...sizeNotes(measured),
      "Positions are rotary, which no shift of a whole text changes: failures on longer inputs are not those of absolute positions that were never seen.",
    ],
  };
}

function setRows({ arm, outcomes }: Measured): Row[] {
  return setsOf(outcomes).map((set) => ({
    setting: `${arm.setting}: ${set}`,
    contender: arm.name,
    measures: {
      exact: across(outcomes.map(({ sets }) => share(sets[set]))),
      cases: across(outcomes.map(({ sets }) => sets[set]?.cases ?? 0)),
    },
  }));
}

function contextRows({ asked, outcome }: InContext): Row[] {
  const what = asked.task === "succ" ? "successor" : "in-order traversal";
  return outcome.sets.map(({ set, cases, exact, unread }) => ({
    setting: `${what}, in context: ${set}`,
    contender: askedTitle(asked),
    measures: {
      exact: single((100 * exact) / cases),
      cases: single(cases),
      unread: single((100 * unread) / cases),
    },
  }));
}

/** How a general model fails. */
function contextNote({ asked, outcome }: InContext): string {
  const { shortcuts, faults, calls, copies } = outcome;
  const title = `${asked.task === "succ" ? "successor" : "in-order traversal"} in context, ${askedTitle(asked)}`;
  const kinds = Object.entries(faults ?? {}).sort(([, a], [, b]) => b - a);
  const how =
    faults === undefined
      ? `${shortcuts?.failures ?? 0} failures, ${copies} of them the input copied${shortcuts?.named === undefined ? "; no shortcut explains half of them" : `; named: ${explanationText(shortcuts.named)}`}`
      : `first fault: ${kinds.length === 0 ? "none" : kinds.map(([kind, times]) => `${kind} ${times}`).join(", ")}`;
  return `${title}: ${calls} calls; ${how}.`;
}

function setsOf(outcomes: readonly ArmOutcome[]): string[] {
  return [...new Set(outcomes.flatMap(({ sets }) => Object.keys(sets)))];
}

/** Only those sets that tell arms apart, so that the picture stays small. */
const shownSets = [
  "natural",
  "by-depth",
  "all-carry",
  "longer",
  "left-comb",
  "deep-path",
  "one-label",
  "deeper",
  "larger",
];

function chartSettings(measured: readonly Measured[]): string[] {
  const settings = measured.flatMap((one) => setRows(one).map(({ setting }) => setting));
  return [...new Set(settings)].filter((setting) => shownSets.some((set) => setting.endsWith(`: ${set}`)));
}

/** How much lower the worst edge set is, in the range of training sizes and beyond it. */
function gaps({ arm, outcomes }: Measured): [string, number][] {
  const name = `${arm.setting}, ${arm.name}`;
  const exact = (set: string): number => across(outcomes.map(({ sets }) => share(sets[set]))).value;
  const natural = exact("natural");
  const beyond = new Set(["longer", "longer-natural", "larger", "deeper"]);
  const gap = (sets: string[]): number => natural - Math.min(...sets.map(exact));
  // What is one or two cases says little.
  const edges = setsOf(outcomes).filter(
    (set) => set !== "natural" && outcomes.every(({ sets }) => (sets[set]?.cases ?? 0) >= 3),
  );
  return [
    [`natural:${name}`, natural],
    [`natural less worst edge set:${name}`, gap(edges.filter((set) => !beyond.has(set)))],
    [`natural less worst set beyond training:${name}`, gap(edges.filter((set) => beyond.has(set)))],
  ];
}

function shortcutNotes({ arm, outcomes }: Measured): string[] {
  return outcomes.map(({ analysis }, place) => {
    const { failures, cases, named, explanations } = analysis;
    const title = `${arm.setting}, ${arm.name}, run ${place + 1}`;
    if (failures === 0) return `${title}: no failure in ${cases} cases, so no shortcut.`;
    const [best] = explanations;
    const shown = best === undefined ? "none fits" : explanationText(best);
    return `${title}: ${failures} failures read of ${cases}; ${named === undefined ? "no shortcut explains half of them; the best is" : "named:"} ${shown}.`;
  });
}

function explanationText(best: ArmOutcome["analysis"]["explanations"][number]): string {
  const percent = (value: number): string => (Number.isFinite(value) ? `${(100 * value).toFixed(0)} %` : "–");
  const name = best.k === undefined || best.k === null ? best.shortcut : `${best.shortcut}(${best.k})`;
  return `${name}, which explains ${percent(best.explained)} and agrees with ${percent(best.onSuccesses)} of the right answers; failures foretold: precision ${percent(best.precision)}, recall ${percent(best.recall)}`;
}

function depthNote({ arm, outcomes }: Measured): string {
  const depths = [...new Set(outcomes.flatMap(({ depths }) => Object.keys(depths).map(Number)))].sort((a, b) => a - b);
  const parts = depths.map((depth) => {
    const scores = outcomes.flatMap(({ depths }) => depths[depth] ?? []);
    return `${depth}: ${Math.round(scores.reduce((sum, score) => sum + share(score), 0) / scores.length)}`;
  });
  return `${arm.setting}, ${arm.name}: exact in % by depth, over all sets, also those beyond training: ${parts.join(", ")}.`;
}

function unfinishedNotes(all: readonly Measured[], runs: number): string[] {
  const unfinished = all.filter(({ outcomes }) => outcomes.length < runs);
  if (unfinished.length === 0) return [];
  const named = unfinished.map(({ arm, outcomes }) => `${arm.setting}, ${arm.name} (${outcomes.length})`);
  return [`Fewer than ${runs} seeds have run of: ${named.join("; ")}. The same command runs the others.`];
}

function sizeNotes(measured: readonly Measured[]): string[] {
  const weights = [...new Set(measured.flatMap(({ outcomes }) => outcomes.map((outcome) => outcome.weights)))];
  const seconds = measured.flatMap(({ outcomes }) => outcomes.map((outcome) => outcome.seconds));
  const steps = [...new Set(measured.map((one) => one.steps))].sort((a, b) => a - b);
  if (seconds.length === 0) return ["Nothing is measured yet."];
  return [
    `${modelSize.layers} layers of width ${modelSize.hiddenSize} (${weights.map((one) => one.toLocaleString("en-US")).join(" or ")} weights), ${steps.join(" or ")} steps of ${sequences} examples, AdamW at ${learningRate}; ${seconds.length} runs, ${Math.round(Math.min(...seconds))} to ${Math.round(Math.max(...seconds))} s of training each, on a machine that was shared.`,
  ];
}

function setLine({ sets }: ArmOutcome): string {
  return Object.entries(sets)
    .map(([set, score]) => `${set} ${share(score).toFixed(0)}`)
    .join(", ");
}

function share(score: Score | undefined): number {
  return score === undefined || score.cases === 0 ? Number.NaN : (100 * score.right) / score.cases;
}

function across(values: readonly number[]): Spread {
  const finite = values.filter(Number.isFinite);
  const mean = finite.reduce((sum, value) => sum + value, 0) / finite.length;
  return { value: mean, low: Math.min(...finite), high: Math.max(...finite), n: finite.length };
}
