import type { GenerationRequest } from "../../language-model.js";
import { type ScriptedOptions, type ScriptedReply, scriptedModel } from "../../scripted-model.js";

/** A model that answers the tasks' prompts rightly, by looking at the text as a program would. */

export function oracle(
  change: (reply: string, request: GenerationRequest) => string | ScriptedReply = (reply) => reply,
  options: ScriptedOptions = {},
) {
  return scriptedModel((request) => change(rightAnswer(request.messages[0]!.content), request), {
    contextTokens: 1_000_000,
    ...options,
  });
}

function rightAnswer(prompt: string): string {
  if (prompt.startsWith("How many of these")) return String((prompt.split("\n\n").at(-1)!.match(/\d/g) ?? []).length);
  if (prompt.startsWith("Sort these")) {
    const numbers = JSON.parse(/\[.*\]/.exec(prompt)![0]) as number[];
    return `Sorted: [${numbers.sort((a, b) => a - b).join(", ")}]`;
  }
  const ask = prompt.slice(prompt.lastIndexOf("\n\n") + 2);
  const text = prompt.slice(0, prompt.lastIndexOf("\n\n"));
  const passcode = /^What is the passcode to the ([\w ]+)\?/.exec(ask)?.[1];
  if (passcode !== undefined)
    return new RegExp(`passcode to the ${passcode} is (\\d{6})\\.`).exec(text)?.[1] ?? "I don't know";
  const copied = /^Copy all sentences about the passcode to the ([\w ]+),/.exec(ask)?.[1];
  if (copied !== undefined) {
    const found = text.match(new RegExp(`The \\w+ digit of the passcode to the ${copied} is \\d\\.`, "g"));
    return found?.join(" ") ?? "None";
  }
  if (ask.startsWith("What are the six digits")) {
    const order = ["first", "second", "third", "fourth", "fifth", "sixth"];
    return `[${order.map((which) => new RegExp(`The ${which} digit of [\\w ]+ is (\\d)`).exec(text)?.[1] ?? 0).join(", ")}]`;
  }
  const names = [...ask.matchAll(/"(\w+) ="/g)].map(([, name]) => name!);
  const found = names.flatMap((name) => new RegExp(`\\b${name} = [\\w+ ]+\\.`).exec(text)?.[0] ?? []);
  return found.length === 0 ? "None" : found.join(" ");
}
