import { nearest, QuireError } from "../errors.js";
import { suggestion } from "../method.js";
import type { WeightFile } from "../weights/weight-file.js";
import type { Architecture, ModelConfig } from "./architecture.js";
import { bert } from "./bert.js";
import { gemma3 } from "./gemma3.js";
import { llama } from "./llama.js";
import { mor } from "./mor.js";
import { qwen2 } from "./qwen2.js";
import { qwen3 } from "./qwen3.js";
import { universalTransformer } from "./universal-transformer.js";

/** Which architecture a file names: `general.architecture` in GGUF, `model_type` in config.json. */

type AnyArchitecture = Architecture<ModelConfig>;

const byName: Record<string, unknown> = {
  llama,
  mistral: llama,
  qwen2,
  qwen3,
  gemma3,
  gemma3_text: gemma3,
  bert,
  "universal-transformer": universalTransformer,
  mor,
};

export const architectureNames: readonly string[] = Object.keys(byName);

export function architectureOf(file: WeightFile): AnyArchitecture {
  const name = nameOf(file);
  if (typeof name !== "string") {
    throw new QuireError("bad-file", `${file.path} does not say what architecture it is.`, {
      expected: "general.architecture (GGUF) or model_type (config.json)",
    });
  }
  return architectureNamed(name);
}

export function architectureNamed(name: string): AnyArchitecture {
  const found = byName[name];
  if (found === undefined || !Object.hasOwn(byName, name)) {
    throw new QuireError("unsupported", `The architecture ${name} is not supported.`, {
      got: name,
      expected: architectureNames.join(", "),
      fix: suggestion(nearest(name, architectureNames)),
    });
  }
  return found as AnyArchitecture;
}

function nameOf(file: WeightFile): unknown {
  const name = file.metadata.get("general.architecture") ?? file.metadata.get("model_type");
  // Published Mixture-of-Recursions models call themselves after the model that they are made of.
  return name === "llama" && [...file.tensors.keys()].some((tensor) => tensor.includes(".mor_router.")) ? "mor" : name;
}
