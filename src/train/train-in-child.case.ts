import { trainingRun } from "./loop.js";
import { tinyRun } from "./tiny-run.case.js";

/** A run that a test kills: says after each step that it was made, and writes a checkpoint after every third. */
const [folder = "", steps = "12"] = process.argv.slice(2);
const { plan } = tinyRun({ folder, steps: Number(steps), checkpointEvery: 3, resume: true });
for await (const event of trainingRun(plan)) if (event.kind === "step") process.send?.(event.step);
process.exit();
