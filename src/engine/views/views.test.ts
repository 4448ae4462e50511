import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TinyModel, tinyShape, writeTinyModel } from "../../models/tiny-models.case.js";
import { type LoadedModel, loadModel } from "../model.js";
import { worst } from "../worst-difference.case.js";
import { ViewTrial } from "./views.case.js";

const token = fc.integer({ min: 0, max: 299 });
const text = (most: number) => fc.array(token, { minLength: 1, maxLength: most });

describe.each(["llama", "qwen2", "qwen3", "gemma3"] as const)("%s", (architecture) => {
  let tiny: TinyModel;
  let model: LoadedModel;
  beforeAll(async () => {
    tiny = await writeTinyModel(tinyShape(architecture), 7);
    model = await loadModel(tiny.path, { device: "cpu", threads: 1 });
  });
  afterAll(() => model.close());
  // GELU comes from a table of f16 numbers in ggml.
  const tolerance = architecture === "gemma3" ? 5e-3 : 2e-4;

  const difference = (trial: ViewTrial): number => {
    const expected = trial.expected(tiny);
    return Math.max(...trial.got.map((logits, row) => worst(logits, expected[row] as number[])));
  };

  it("gives what plain attention over explicitly rotated keys gives, through steps and moves", async () => {
    const step = fc.record({
      tokens: fc.array(fc.array(token, { maxLength: 3 }), { minLength: 3, maxLength: 3 }),
      moves: fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 2 }),
    });
    await fc.assert(
      fc.asyncProperty(
        text(20),
        text(6),
        text(4),
        fc.array(step, { minLength: 1, maxLength: 6 }),
        async (prompt, head, sep, steps) => {
          const trial = new ViewTrial(model);
          try {
            await trial.read(prompt);
            const [headBlock, sepBlock] = [trial.open(), trial.open()];
            const own = [trial.open(), trial.open(), trial.open()];
            await trial.step([
              { view: [headBlock], tokens: head },
              { view: [sepBlock], tokens: sep },
            ]);
            for (const { tokens, moves } of steps) {
              const parts = own.flatMap((block, worker) => {
                const view = [0, headBlock, ...own.filter((other) => other !== block), sepBlock, block];
                return tokens[worker]?.length === 0 ? [] : [{ view, tokens: tokens[worker] as number[] }];
              });
              if (parts.length > 0) await trial.step(parts);
              for (const worker of moves) await trial.move(0, own[worker] as number);
            }
            expect(difference(trial)).toBeLessThan(tolerance);
            const held = trial.blocks.reduce((sum, rows) => sum + rows.length, 0);
            expect(trial.memory.entriesBeside + trial.first.entries).toBe(held);
            expect(held).toBe(trial.tokens.length);
          } finally {
            trial.close();
          }
        },
      ),
      { numRuns: 8, seed: 4 },
    );
  });
});
