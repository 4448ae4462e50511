import path from "node:path";
import { Option } from "commander";
import { QuireError } from "../errors.js";
import { adapterFiles } from "../weights/adapter-file.js";

/** `--adapter law=./runs/law --adapter ./runs/prose`: LoRA adapters to open beside a model. */

export interface AdapterFlags {
  readonly adapter?: readonly string[];
}

export function adapterOption(): Option {
  return new Option(
    "--adapter <file>",
    "LoRA adapter to use, a folder or safetensors file in PEFT's layout; again for more, name=file names it",
  ).argParser((text: string, before: readonly string[] = []) => [...before, text]);
}

/** Names to files; without a name an adapter is called like its folder. */
export function adaptersOf({ adapter = [] }: AdapterFlags): Record<string, string> {
  const adapters: Record<string, string> = {};
  for (const text of adapter) {
    const [, given, file = text] = text.match(/^([\w.-]+)=(.+)$/s) ?? [];
    const name = given ?? nameOf(file);
    if (Object.hasOwn(adapters, name)) {
      throw new QuireError("bad-option", `Two adapters are called ${name}.`, {
        got: text,
        expected: "one name each",
        fix: `Name one of them: --adapter other=${file}`,
      });
    }
    adapters[name] = file;
  }
  return adapters;
}

function nameOf(file: string): string {
  const full = path.resolve(file);
  return path.basename(full) === adapterFiles.weights
    ? path.basename(path.dirname(full))
    : path.basename(full).replace(/\.safetensors$/, "");
}
