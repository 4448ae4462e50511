import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { isQuireError } from "../src/errors.js";
import { ggmlVersion } from "../src/tensor/ffi/library.js";
import { machineFacts, oneMinuteLoad } from "./lib/machine.js";
import { renewReadme } from "./lib/readme-figures.js";
import { type BenchOptions, type Report, reached } from "./lib/report.js";
import { reportMarkdown, writeReport } from "./lib/write-report.js";
import { benches } from "./registry.js";

/** Runs benches by name and writes table, picture and JSON to docs/results. Progress goes to stderr; with --json the last line of
 *  stdout is the report (of several: an array). Exit code 1 when a check failed or a bench could not run. */

const root = fileURLToPath(new URL("..", import.meta.url));
const results = join(root, "docs", "results");

const command = new Command("bench")
  .description("Measures Quire beside others.")
  .argument("<names...>", `${Object.keys(benches).join(", ")}, or all`)
  .option("--quick", "under a minute, to see that it works; figures are not to be quoted", false)
  .option("--json", "print the report as one line of JSON", false)
  .option("--out <folder>", "where table, picture and JSON go; quick runs write nothing unless told where")
  .option("--threads <n>", "one thread count instead of 1 and 2", wholeNumber)
  .option("--model <name>", "another model, by name or path")
  .option("--policies <list>", "cache: policies, with options: h2o,cake:gamma=0,snapkv")
  .option("--budgets <list>", "cache: shares of the prompt that are kept: 0.2,0.1")
  .option("--text <file>", "cache: the text to read")
  .option("--tasks <list>", "cache: perplexity,needle,key-value,recurrence,speed")
  .option("--saved", "cache: report what unfinished runs measured, and measure nothing", false)
  .option("--seed <n>", "seed of everything that is drawn", wholeNumber, 1)
  .parse();

interface Flags
  extends Pick<
    BenchOptions,
    "quick" | "threads" | "model" | "seed" | "policies" | "budgets" | "text" | "tasks" | "saved"
  > {
  json: boolean;
  out?: string;
}

const flags = command.opts<Flags>();
const names = command.args.includes("all") ? Object.keys(benches) : command.args;
const unknown = names.filter((name) => benches[name] === undefined);
if (unknown.length > 0)
  command.error(`There is no bench ${unknown.join(", ")}; there are ${Object.keys(benches).join(", ")}.`);

const reports: Report[] = [];
for (const name of names) {
  const report = await runBench(name).catch((error: unknown) => {
    process.stderr.write(`${name}: ${explained(error)}\n`);
    return undefined;
  });
  if (report === undefined) process.exitCode = 1;
  else {
    reports.push(report);
    if (report.checks.some(({ passed }) => !passed)) process.exitCode = 1;
    const out = flags.out ?? (flags.quick ? undefined : results);
    if (out !== undefined) await writeReport(report, out);
    if (out === results) await renewReadme(root);
    if (!flags.json) process.stdout.write(`${reportMarkdown(report)}\n`);
    for (const [ratio, value] of Object.entries(report.ratios)) {
      if (reached(value, report.targets[ratio]) === false)
        process.stderr.write(`${name}: ${ratio} = ${value.toFixed(3)} misses its target\n`);
    }
  }
}
if (flags.json) process.stdout.write(`${JSON.stringify(names.length === 1 ? (reports[0] ?? null) : reports)}\n`);

async function runBench(name: string): Promise<Report> {
  const started = performance.now();
  const loadBefore = oneMinuteLoad();
  const { quick, threads, model, seed, policies, budgets, text, tasks, saved } = flags;
  const progress = (text: string) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(0).padStart(4);
    process.stderr.write(`${seconds} s  ${name}: ${text}\n`);
  };
  const bench = await (benches[name] as NonNullable<(typeof benches)[string]>)();
  const findings = await bench.run({ quick, threads, model, seed, policies, budgets, text, tasks, saved, progress });
  return {
    bench: name,
    ...findings,
    versions: { quire: packageVersion(), ggml: ggmlVersion, ...findings.versions },
    machine: machineFacts(loadBefore),
    seed,
    date: new Date().toISOString(),
    quick,
    seconds: (performance.now() - started) / 1000,
  };
}

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  return version;
}

function explained(error: unknown): string {
  if (isQuireError(error)) return [error.message, error.fix].filter((part) => part !== undefined).join(" ");
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("It must be a whole number.");
  return Number(text);
}
