import { fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { QuireError } from "../errors.js";
import { muon } from "../tensor/optim/muon.js";
import { sgd } from "../tensor/optim/sgd.js";
import { closeTestDevice } from "../tensor/reference.case.js";
import type { Storage } from "../tensor/storage.js";
import * as atomic from "../weights/safetensors-write.js";
import { checkpointPath, valuesOf } from "./checkpoint.js";
import { tokenWindows } from "./data/token-windows.js";
import { type TrainingEvent, type TrainingOutcome, type TrainingPlan, trainingRun } from "./loop.js";
import { tinyRun } from "./tiny-run.case.js";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "quire-train-"));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});
afterAll(closeTestDevice);

async function finish(
  plan: TrainingPlan,
  signal?: AbortSignal,
  onEvent: (event: TrainingEvent) => void = () => undefined,
): Promise<TrainingOutcome> {
  const run = trainingRun(plan, signal);
  for (;;) {
    const next = await run.next();
    if (next.done === true) return next.value;
    onEvent(next.value);
  }
}

/** Parameters, moments and curve after a run that nothing interrupted. */
async function undisturbed(options: Parameters<typeof tinyRun>[0] = {}) {
  const { plan, model } = tinyRun({ steps: 12, ...options });
  const outcome = await finish(plan);
  const result = { parameters: model.parameters.map(valuesOf), moments: plan.optimizer.save(), curve: outcome.curve };
  model.close();
  return result;
}

describe("a run goes on bit for bit", () => {
  it("after its process was killed, however often", { timeout: 60_000 }, async () => {
    for (const lastStep of [4, 8]) {
      const child = fork(fileURLToPath(new URL("./train-in-child.case.ts", import.meta.url)), [folder, "12"], {
        execArgv: ["--import", "tsx"],
      });
      await new Promise<void>((resolve, reject) => {
        child.on("message", (step) => {
          if (step === lastStep) child.kill("SIGKILL");
        });
        child.on("exit", (code) => (code === null ? resolve() : reject(new Error(`ended with ${code}`))));
      });
    }
    const { plan, model } = tinyRun({ steps: 12, folder, resume: true });
    const events: TrainingEvent[] = [];
    const { curve } = await finish(plan, undefined, (event) => events.push(event));
    const expected = await undisturbed();
    expect(events[0]).toEqual({ kind: "resumed", step: 6 });
    expect(model.parameters.map(valuesOf)).toEqual(expected.parameters);
    expect(plan.optimizer.save()).toEqual(expected.moments);
    expect(curve.points).toEqual(expected.curve.points);
    expect(curve.evaluations).toEqual(expected.curve.evaluations);
    expect((await readdir(folder)).filter((name) => name.endsWith(".tmp"))).toHaveLength(0);
    model.close();
  });

  it("after it was stopped between two steps or within one, with every optimiser", async () => {
    const optimizers = {
      sgd: (parameters: never) => sgd(parameters, { momentum: 0.9 }),
      muon: (parameters: never) => muon(parameters),
    };
    for (const make of Object.values(optimizers)) {
      const whole = tinyRun({ steps: 8 });
      const wanted = make(whole.model.parameters as never);
      await finish({ ...whole.plan, optimizer: wanted });
      const first = tinyRun({ steps: 8, folder });
      const controller = new AbortController();
      const stopped = finish(
        { ...first.plan, optimizer: make(first.model.parameters as never) },
        controller.signal,
        (event) => {
          if (event.kind === "step" && event.step === 5) controller.abort();
        },
      );
      await expect(stopped).rejects.toMatchObject({ code: "cancelled" });
      const second = tinyRun({ steps: 8, folder, resume: true });
      const optimizer = make(second.model.parameters as never);
      await finish({ ...second.plan, optimizer });
      expect(second.model.parameters.map(valuesOf)).toEqual(whole.model.parameters.map(valuesOf));
      expect(optimizer.save()).toEqual(wanted.save());
      for (const { model } of [whole, first, second]) model.close();
      await rm(checkpointPath(folder));
    }
  });

  it("but not from a checkpoint of another run, or a damaged one", async () => {
    const { plan, model } = tinyRun({ steps: 2, folder });
    await finish(plan);
    await expect(finish({ ...plan, resume: true, fingerprint: "other" })).rejects.toThrow(/another run/);
    await writeFile(checkpointPath(folder), (await readFile(checkpointPath(folder))).subarray(0, 5000));
    await expect(finish({ ...plan, resume: true })).rejects.toMatchObject({ code: "bad-file" });
    model.close();
  });
});

describe("a run ends well", () => {
  it("learns, evaluates, and says what was best", async () => {
    const { plan, model } = tinyRun({ steps: 60, schedule: () => 1e-2 });
    const { curve, best, ended, tokens } = await finish(plan);
    expect(ended).toBe("finished");
    expect(tokens).toBe(60 * 64);
    expect(curve.points).toHaveLength(60);
    expect(curve.evaluations).toHaveLength(20);
    expect(curve.points.at(-1)?.loss).toBeLessThan(0.5 * (curve.points[0]?.loss ?? 0));
    expect(best?.loss).toBe(Math.min(...curve.evaluations.map(({ loss }) => loss)));
    model.close();
  });

  it("early where nothing gets better, with the weights of the best evaluation", async () => {
    const { plan, model } = tinyRun({
      steps: 200,
      patience: 3,
      evaluateEvery: 2,
      schedule: (step) => (step < 20 ? 1e-2 : 0.2),
    });
    let best: Float32Array[] = [];
    let least = Number.POSITIVE_INFINITY;
    const { steps, ended } = await finish(plan, undefined, (event) => {
      if (event.kind !== "evaluation" || event.loss >= least) return;
      least = event.loss;
      best = model.parameters.map(valuesOf);
    });
    expect(ended).toBe("no-progress");
    expect(steps).toBeLessThan(200);
    expect(model.parameters.map(valuesOf)).toEqual(best);
    model.close();
  });

  it("at a loss that is no number: says which step, changes nothing and keeps the last good checkpoint", async () => {
    const { plan, model } = tinyRun({ steps: 20, folder, checkpointEvery: 2 });
    const run = trainingRun(plan);
    let at: Buffer | undefined;
    const failure = await (async () => {
      for (;;) {
        const { value, done } = await run.next();
        if (done === true) return undefined;
        if (value.kind === "checkpoint" && value.step === 4) at = await readFile(checkpointPath(folder));
        if (value.kind !== "step" || value.step !== 5) continue;
        const [parameter] = model.parameters;
        if (parameter === undefined) continue;
        (parameter.owner as Storage).write(parameter, new Float32Array(parameter.elements).fill(1e38));
      }
    })().catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "diverged", partial: { step: 6, steps: 5 } });
    expect(String((failure as Error).message)).toMatch(/^Step 6: /);
    expect(await readFile(checkpointPath(folder))).toEqual(at);
    model.close();
    const again = tinyRun({ steps: 6, folder, resume: true });
    expect((await finish(again.plan)).steps).toBe(6);
    again.model.close();
  });

  it("goes on where a checkpoint finds the disk full, and keeps the one before", async () => {
    const { plan, model } = tinyRun({ steps: 12, folder, checkpointEvery: 3 });
    const write = vi.spyOn(atomic, "writeSafetensors");
    const full = new QuireError("disk", "The disk is full.");
    const events: TrainingEvent[] = [];
    let third: Buffer | undefined;
    await finish(plan, undefined, (event) => {
      events.push(event);
      if (event.kind === "checkpoint" && event.step === 3) third = readFileSync(checkpointPath(folder));
      if (event.kind === "step" && event.step === 5) write.mockRejectedValueOnce(full);
      if (event.kind === "checkpoint-failed") expect(readFileSync(checkpointPath(folder))).toEqual(third);
    });
    expect(events.filter(({ kind }) => kind.startsWith("checkpoint"))).toMatchObject([
      { kind: "checkpoint", step: 3 },
      { kind: "checkpoint-failed", step: 6, error: { code: "disk" } },
      { kind: "checkpoint", step: 9 },
      { kind: "checkpoint", step: 12 },
    ]);
    model.close();
  });

  it("says that a folder cannot be written to", async () => {
    const closed = path.join(folder, "closed");
    await mkdir(closed);
    await writeFile(path.join(closed, "file"), "");
    const { plan, model } = tinyRun({ steps: 1, folder: path.join(closed, "file", "run") });
    await expect(finish(plan)).rejects.toMatchObject({ code: "disk" });
    await chmod(closed, 0o700);
    model.close();
  });
});

describe("data", () => {
  it("shorter than a sequence is refused", () => {
    const make = (count: number) =>
      tokenWindows(new Int32Array(count), { name: "a text", sequences: 2, length: 16, seed: 1 });
    expect(() => make(16)).toThrow(/shorter than one sequence/);
    expect(make(17).batch(5).tokens).toHaveLength(32);
  });

  it("goes through every window once an epoch, in another order each time", () => {
    const text = Int32Array.from({ length: 1000 }, (_, i) => i);
    const data = tokenWindows(text, {
      name: "numbers",
      sequences: 3,
      length: 10,
      seed: 1,
      validation: text.subarray(0, 30),
    });
    const starts = Array.from({ length: 33 }, (_, step) =>
      data.batch(step).tokens.filter((_, i) => i % 10 === 0),
    ).flatMap((list) => [...list]);
    expect(new Set(starts).size).toBe(99);
    expect(starts).not.toEqual([...starts].sort((a, b) => a - b));
    expect(data.batch(7)).toEqual(data.batch(7));
    for (const step of [0, 40, 400])
      expect(data.batch(step).targets).toEqual(data.batch(step).tokens.map((token) => token + 1));
  });

  it("with tokens that the model does not know is refused", async () => {
    const { plan, model } = tinyRun();
    const data = tokenWindows(new Int32Array(500).fill(300), { name: "other", sequences: 4, length: 16, seed: 1 });
    await expect(finish({ ...plan, data })).rejects.toThrow(/token 300/);
    model.close();
  });
});
