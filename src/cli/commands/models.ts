import { totalmem } from "node:os";
import { type Command, Option } from "commander";
import { nearest, QuireError } from "../../errors.js";
import { suggestion } from "../../method.js";
import { bytes, count, oneLine, seconds, table } from "../layout.js";
import { mergeModel } from "../merge-model.js";
import { showOpening } from "../open-model.js";
import { examples, offline, outputOptions } from "../options.js";
import type { Session } from "../session.js";
import { start } from "../start.js";

/** `quire models`: what can be had and what is here. */

export function define(command: Command): void {
  command.description("Lists, fetches, removes, finds and checks models.");
  examples(command, ["quire models list", "quire models pull qwen3-0.6b", "quire models check ./model.gguf"]);
  const list = command.command("list").description("The models with short names, and what else is installed.");
  list.addOption(new Option("--installed", "only what is on this machine"));
  examples(outputOptions(list), ["quire models list", "quire models list --installed --json"]).action(start(listAll));

  const pull = command.command("pull").description("Fetches a model into the cache, or goes on with what was begun.");
  pull.argument("<name>", "short name, hf:org/repo/file.gguf or an address").addOption(offline());
  examples(outputOptions(pull), [
    "quire models pull smollm2-135m-instruct",
    "quire models pull hf:bartowski/Qwen2.5-0.5B-Instruct-GGUF/Qwen2.5-0.5B-Instruct-Q4_K_M.gguf",
  ]).action(start(pullOne));

  const rm = command.command("rm").description("Removes a model from the cache.").argument("<name>", "its name");
  examples(outputOptions(rm), ["quire models rm gemma-3-270m", "quire models rm qwen3-4b --json"]).action(
    start(removeOne),
  );

  const path = command.command("path").description("Where an installed model lies.").argument("<name>", "its name");
  examples(outputOptions(path), [
    "quire models path smollm2-135m-instruct",
    'ls -l "$(quire models path all-minilm-l6-v2)"',
  ]).action(start(pathOfOne));

  const check = command
    .command("check")
    .description("Reads a model file and says whether it is whole, without running it.");
  check.argument("<file>", "a .gguf or .safetensors file, its folder, or the name of an installed model");
  check.addOption(new Option("--header-only", "leave the numbers unread"));
  examples(outputOptions(check), ["quire models check ./model.gguf", "quire models check ./model.gguf --json"]).action(
    start(checkOne),
  );

  const merge = command.command("merge").description("Adds a LoRA adapter into a model's weights: a model of its own.");
  merge.argument("<model>", "a short name, a file or a folder");
  merge.argument("<adapter>", "a folder or safetensors file in PEFT's layout");
  merge.argument("<out>", "the new .gguf file, or folder of a safetensors model");
  examples(outputOptions(merge), [
    "quire models merge smollm2-135m-instruct ./runs/law/adapter law.gguf",
    "quire models merge ./model.gguf ./adapter merged.gguf --json",
  ]).action(start(mergeModel));

  command.action((_options: unknown, self: Command) => {
    const [given] = self.args;
    if (given === undefined) return self.outputHelp();
    const known = self.commands.map((one) => one.name());
    throw new QuireError("bad-option", `\`quire models\` has no command "${given}".`, {
      got: given,
      expected: known.join(", "),
      fix: suggestion(nearest(given, known)),
    });
  });
  command.allowExcessArguments();
}

async function listAll(session: Session, { installed: only }: { installed?: boolean }): Promise<void> {
  const { listModels } = await import("../../weights/installed-models.js");
  const all = (await listModels()).filter((model) => !only || model.installed !== undefined);
  if (session.json) {
    session.result(
      all.map(({ name, entry, installed }) => ({
        name,
        kind: entry?.kind ?? null,
        title: entry?.title ?? null,
        licence: entry?.licence ?? null,
        parameters: entry?.parameters ?? null,
        contextTokens: entry?.contextTokens ?? null,
        sizeBytes: installed?.files.reduce((sum, file) => sum + file.sizeBytes, 0) ?? entry?.sizeBytes ?? null,
        installed: installed !== undefined,
        source: installed?.source ?? null,
      })),
    );
    return;
  }
  if (all.length === 0) {
    session.line("No model is installed. `quire models pull smollm2-135m-instruct` fetches a small one.");
    return;
  }
  const { style } = session;
  const wide = session.columns >= 100;
  const memory = totalmem();
  const head = ["", "name", "kind", "weights", "size", "context", ...(wide ? ["licence"] : [])].map((cell) =>
    style.dim(cell),
  );
  const rows = all.map(({ name, entry, installed }) => {
    const size = installed?.files.reduce((sum, file) => sum + file.sizeBytes, 0) ?? entry?.sizeBytes ?? 0;
    const fits = entry === undefined || entry.minMemoryBytes <= memory;
    return [
      installed === undefined ? " " : style.green("●"),
      fits ? oneLine(name, session.columns - 45) : style.dim(name),
      entry?.kind ?? "",
      entry === undefined ? "" : weights(entry.parameters),
      bytes(size),
      entry === undefined ? "" : `${Math.round(entry.contextTokens / 1024)}k`,
      ...(wide ? [entry?.licence ?? ""] : []),
    ];
  });
  // MiniLM-like windows are shorter than a thousand tokens.
  rows.forEach((row, i) => {
    const context = all[i]?.entry?.contextTokens;
    if (context !== undefined && context < 1024) row[5] = String(context);
  });
  for (const line of table([head, ...rows], [3, 4, 5])) session.line(line);
  session.line();
  session.line(style.dim("● installed. `quire models pull NAME` fetches one; any .gguf path works too."));
}

function weights(parameters: number): string {
  return parameters >= 0.9995e9 ? `${(parameters / 1e9).toFixed(1)}B` : `${Math.round(parameters / 1e6)}M`;
}

async function pullOne(session: Session, name: string, flags: { offline?: boolean }): Promise<void> {
  const { resolveModel } = await import("../../weights/resolve-model.js");
  const started = performance.now();
  const resolved = await resolveModel(name, {
    offline: flags.offline,
    signal: session.signal,
    onWait: (holder) => session.warn(`Waiting for ${holder}, which fetches the same.`),
    onProgress: ({ file, receivedBytes, totalBytes }) =>
      showOpening(session, { phase: "download", name: file, done: receivedBytes, total: totalBytes }),
  });
  session.progress.clear();
  const { path, origin } = resolved;
  if (session.json) session.result({ name: resolved.name, path, origin, files: resolved.files });
  else if (origin === "cache" || origin === "path") session.line(`${resolved.name} is here already: ${path}`);
  else session.line(`${resolved.name} is here: ${path} (${seconds((performance.now() - started) / 1000)})`);
}

async function removeOne(session: Session, name: string): Promise<void> {
  const { removeModel } = await import("../../weights/installed-models.js");
  const freed = await removeModel(name, { signal: session.signal });
  if (session.json) session.result({ name, freedBytes: freed });
  else session.line(`${name} is removed (${bytes(freed)}).`);
}

async function pathOfOne(session: Session, name: string): Promise<void> {
  const { modelPath } = await import("../../weights/installed-models.js");
  const path = await modelPath(name);
  if (session.json) session.result({ name, path });
  else session.line(path);
}

async function checkOne(session: Session, given: string, flags: { headerOnly?: boolean }): Promise<void> {
  const { checkModelFile } = await import("../../weights/check.js");
  const { resolveModel } = await import("../../weights/resolve-model.js");
  const { path } = await resolveModel(given, { offline: true, signal: session.signal });
  const report = await checkModelFile(path, {
    headerOnly: flags.headerOnly,
    signal: session.signal,
    onProgress: ({ file, receivedBytes, totalBytes }) =>
      session.progress.show({ phase: "Checking", name: file, done: receivedBytes, total: totalBytes, unit: "bytes" }),
  });
  session.progress.clear();
  if (session.json) {
    session.result(report);
    return;
  }
  const { style } = session;
  const types = Object.entries(report.dtypes).sort((a, b) => b[1] - a[1]);
  const facts: [string, string][] = [
    ["format", `${report.format}, ${count(report.files.length, "file")}, ${bytes(report.sizeBytes)} of weights`],
    [
      "architecture",
      `${report.architecture}, ${report.layers ?? "?"} layers, ${weights(report.parameters)} weights in ${report.tensors} tensors`,
    ],
    ["types", types.map(([name, size]) => `${name} ${bytes(size)}`).join(", ")],
    ["context", report.contextTokens === undefined ? "not said" : count(report.contextTokens, "token")],
    ["vocabulary", report.vocabulary === undefined ? "none" : count(report.vocabulary, "token")],
  ];
  session.line(`${style.green("whole")}  ${report.path}`);
  for (const line of table(facts.map(([name, value]) => [style.dim(name), value]))) session.line(line);
  for (const warning of report.warnings) session.warn(warning);
}
