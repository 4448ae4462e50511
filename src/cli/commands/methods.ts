import { type Command, Option } from "commander";
import { type MethodKind, methodKinds } from "../../method.js";
import { type MethodRow, methods, type SelectableKind, selectable } from "../../methods.js";
import { oneLine, padEnd } from "../layout.js";
import { placesOf } from "../method-places.js";
import { examples, outputOptions } from "../options.js";
import { packageRoot } from "../package-root.js";
import type { Session } from "../session.js";
import { start } from "../start.js";

/** `quire methods`: the catalogue, by the question each kind answers. */

const questions: Readonly<Record<MethodKind, readonly [title: string, question: string]>> = {
  cache: ["Cache policies", "What stays in the key/value cache?"],
  engine: ["Engine parts", "How is work and memory shared out?"],
  decoder: ["Decoders", "How do tokens come out?"],
  architecture: ["Architectures", "What is the network?"],
  trainer: ["Trainers", "How does it learn?"],
  chunker: ["Chunkers", "Where is a document cut?"],
  selector: ["Selectors", "Which passages does the model see?"],
  program: ["Programs", "Which calls are made, and in what order?"],
  structure: ["Structures", "What shape does the data have?"],
};

const flags: Readonly<Record<SelectableKind, string>> = {
  engine: "--schedule",
  cache: "--cache",
  decoder: "--decoder",
  chunker: "--chunker",
  selector: "--selector",
  trainer: "a recipe's trainer",
};

export function define(command: Command): void {
  command
    .description("The catalogue of methods: what each decides, its paper, and whether it works or is planned.")
    .addOption(new Option("--kind <kind>", "only this kind").choices([...methodKinds]))
    .addOption(new Option("--state <state>", "only these").choices(["works", "planned"]));
  examples(outputOptions(command), [
    "quire methods",
    "quire methods --kind cache",
    "quire methods --state works --json",
  ]);
  command.action(start(run));
}

async function run(
  session: Session,
  { kind, state }: { kind?: MethodKind; state?: MethodRow["state"] },
): Promise<void> {
  const wanted = (row: MethodRow) =>
    (kind === undefined || row.kind === kind) && (state === undefined || row.state === state);
  const rows = methods.filter(wanted);
  if (session.json) {
    session.result(rows.map((row) => ({ ...pick(row), ...placesOf(row, packageRoot) })));
    return;
  }
  const { style } = session;
  const nameWidth = Math.max(...methods.map(({ name }) => name.length));
  for (const one of methodKinds) {
    const members = rows.filter((row) => row.kind === one);
    if (members.length === 0) continue;
    const [title, question] = questions[one];
    session.line(`${style.bold(title)}  ${style.dim(question)}`);
    for (const row of members) {
      const mark = row.state === "works" ? style.green("●") : style.dim("○");
      const text = oneLine(row.title, session.columns - nameWidth - 18);
      const name = padEnd(row.name, nameWidth);
      session.line(
        `  ${mark} ${row.state === "works" ? name : style.dim(name)}  ${style.dim(padEnd(row.arxiv, 10))}  ${text}`,
      );
    }
    const beside =
      one in flags ? selectable(one as SelectableKind).filter((name) => !methods.some((row) => row.name === name)) : [];
    if (beside.length > 0)
      session.line(style.dim(`    beside them: ${beside.join(", ")} (${flags[one as SelectableKind]})`));
    session.line();
  }
  const works = rows.filter((row) => row.state === "works").length;
  session.line(
    style.dim(`● works: ${works}   ○ planned: ${rows.length - works}   The number is the paper's on arXiv.`),
  );
}

function pick({ name, kind, title, arxiv, state, result }: MethodRow): MethodRow {
  return { name, kind, title, arxiv, state, result };
}
