import path from "node:path";
import { type Command, Option } from "commander";
import { nearest, QuireError } from "../../errors.js";
import { suggestion } from "../../method.js";
import { padEnd } from "../layout.js";
import { examples, number, outputOptions } from "../options.js";
import type { Session } from "../session.js";
import { start } from "../start.js";

/** `quire keys`: API keys for `quire serve --keys`. The file holds their hashes only. */

interface Flags {
  readonly keys: string;
  readonly rate?: number;
}

export function define(command: Command): void {
  command.description("Makes, lists and removes API keys of a server. Only their hashes are kept.");
  examples(command, ["quire keys add anna --keys keys.json", "quire keys list --keys keys.json"]);
  const add = command.command("add").description("make a key; it is shown this once").argument("<name>", "whose it is");
  add.addOption(number("--rate <n>", "most requests a minute", undefined, { least: 1, whole: true }));
  fileOptions(add, ["quire keys add anna --keys keys.json", "quire keys add ci --rate 60 --keys keys.json"]);
  add.action(start(runAdd));
  const list = command.command("list").description("names of the keys");
  fileOptions(list, ["quire keys list --keys keys.json", "quire keys list --json"]).action(start(runList));
  const remove = command.command("rm").description("remove a key; a running server forgets it within a second");
  remove.argument("<name>", "whose it is");
  fileOptions(remove, ["quire keys rm anna --keys keys.json", "quire keys rm anna --json"]).action(start(runRemove));
  command.action((_options: unknown, self: Command) => {
    const [given] = self.args;
    if (given === undefined) return self.outputHelp();
    const known = self.commands.map((one) => one.name());
    throw new QuireError("bad-option", `\`quire keys\` has no command "${given}".`, {
      got: given,
      expected: known.join(", "),
      fix: suggestion(nearest(given, known)),
    });
  });
  command.allowExcessArguments();
}

function fileOptions(command: Command, shown: readonly string[]): Command {
  command.addOption(new Option("--keys <file>", "the key file").default("keys.json").env("QUIRE_KEYS"));
  return examples(outputOptions(command), shown);
}

async function runAdd(session: Session, name: string, { keys, rate }: Flags): Promise<void> {
  const { addKey } = await import("../../server/access/key-ring.js");
  const key = await addKey(path.resolve(keys), name, rate);
  if (session.json) return session.result({ name, key, file: keys });
  session.line(key);
  session.hint(`This is the only time it is shown. ${keys} holds its hash.`);
}

async function runList(session: Session, { keys }: Flags): Promise<void> {
  const { readKeys } = await import("../../server/access/key-ring.js");
  const found = readKeys(path.resolve(keys));
  if (session.json) return session.result(found.map(({ sha256: _, ...rest }) => rest));
  if (found.length === 0) return session.line("There are no keys.");
  const width = Math.max(...found.map(({ name }) => name.length));
  for (const { name, created_at, requests_per_minute: rate } of found) {
    const limit = rate === undefined ? "" : `, ${rate} requests a minute`;
    session.line(`${padEnd(name, width)}  ${session.style.dim(`since ${created_at.slice(0, 10)}${limit}`)}`);
  }
}

async function runRemove(session: Session, name: string, { keys }: Flags): Promise<void> {
  const { removeKey } = await import("../../server/access/key-ring.js");
  await removeKey(path.resolve(keys), name);
  if (session.json) session.result({ name, removed: true });
  else session.line(`${name} is removed.`);
}
