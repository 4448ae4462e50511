import { resolveModel } from "./resolve-model.js";

/** The path of a catalogue model for tests that need a real one: fetched once into the cache, found there ever after. */
export async function testModel(name: "smollm2-135m-instruct" | "gemma-3-270m" | "all-minilm-l6-v2"): Promise<string> {
  return (await resolveModel(name)).path;
}
