import { execFile } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { writeGguf } from "../weights/gguf-write.js";
import { loadModel } from "./model.js";

const run = promisify(execFile);
const program = path.join(path.dirname(fileURLToPath(import.meta.url)), "mutated-model.case.ts");

describe("loadModel", () => {
  it("answers damaged files with typed errors and never ends the process", async () => {
    const { stdout } = await run(process.execPath, ["--import", "tsx", program, "0", "400"], { maxBuffer: 2 ** 24 });
    const { outcomes, rssMb } = JSON.parse(stdout.trim().split("\n").at(-1) as string);
    expect(Object.values<number>(outcomes).reduce((sum, count) => sum + count, 0)).toBe(400);
    expect(outcomes["answer"]).toBeGreaterThan(20);
    expect(outcomes["bad-file"]).toBeGreaterThan(50);
    expect(rssMb).toBeLessThan(1500);
  }, 120_000);

  it("says what is wrong with a file", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "quire-model-"));
    const file = path.join(folder, "model.gguf");
    await expect(loadModel(path.join(folder, "none.gguf"))).rejects.toMatchObject({ code: "not-found" });
    await writeFile(file, "not a model");
    await expect(loadModel(file)).rejects.toMatchObject({ code: "bad-file" });
    await writeGguf(file, { metadata: [["general.architecture", "lama"]], tensors: [] });
    await expect(loadModel(file)).rejects.toMatchObject({
      code: "unsupported",
      got: "lama",
      fix: "Did you mean llama?",
    });
    await writeGguf(file, { metadata: [["general.architecture", "llama"]], tensors: [] });
    await expect(loadModel(file)).rejects.toMatchObject({ code: "bad-file" });
  });
});
