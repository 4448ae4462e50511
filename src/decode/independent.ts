import { z } from "zod";
import { decoder } from "./decoder.js";
import { type Path, Paths, refuseGreedy } from "./rollout/paths.js";

/** Independent samples: several answers that have only the prompt in common, drawn side by side. The baseline of treepo.
 *  Takes    logits f32 [live answers, V] of each answer's newest token
 *  Gives    each answer as it would come alone, every one with the same weight
 *  Cost     a row a token of an answer; the prompt is read and stored once */
export const independent = decoder({
  name: "independent",
  title: "Several answers side by side, only the prompt in common",
  options: z.object({
    width: z.number().int().min(1).max(256).default(8).describe("answers wanted"),
  }),
  exact: true,
  rewinds: false,
  shapesMemory: "branches",
  answers: ({ width }) => width,
  draws: ({ width }) => width > 1,
  *decode(context, { width }) {
    const limit = context.remaining();
    const paths = new Paths(context);
    const end = (path: Path): void => {
      const isEnd = context.tokenizer.endTokens.has(path.choices.at(-1)?.token ?? -1);
      paths.end(path, isEnd ? "end" : path.choices.length >= limit ? "length" : "stop");
    };
    const logits = yield* paths.readPrompt();
    let live = paths.plant(width);
    for (const path of live) paths.draw(path, logits);
    refuseGreedy(live, width);
    for (;;) {
      for (const path of live) if (path.over) end(path);
      live = live.filter(({ over }) => !over);
      if (live.length === 0) break;
      const result = yield* paths.evaluate(live);
      for (const [row, path] of live.entries()) paths.draw(path, result.logits(row));
    }
    paths.close();
  },
});
