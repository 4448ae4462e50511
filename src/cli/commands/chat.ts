import { type Command, Option } from "commander";
import { QuireError } from "../../errors.js";
import { chatOnTerminal } from "../chat-on-terminal.js";
import { type ConversationFlags, type Reply, startConversation } from "../conversation.js";
import { openModel } from "../open-model.js";
import { examples, generationOptions, modelOptions, outputOptions } from "../options.js";
import { readStdin } from "../read-stdin.js";
import type { Session } from "../session.js";
import { start } from "../start.js";

/** `quire chat`: a conversation on the terminal; or one message from the command line or a pipe, and its answer. */

interface Flags extends ConversationFlags {
  readonly lines?: boolean;
}

export function define(command: Command): void {
  command
    .description("Talks with a model. With a message or a pipe it answers once and ends.")
    .argument("[message]", "one message; what is piped in follows it");
  modelOptions(command)
    .addOption(new Option("--system <text>", "what the model is told first").env("QUIRE_SYSTEM"))
    .addOption(new Option("--lines", "every line of the pipe is a message of its own"))
    .addOption(
      new Option("--overflow <choice>", "when the conversation is longer than the window").choices([
        "error",
        "drop-middle",
        "drop-oldest",
      ]),
    );
  generationOptions(command);
  examples(outputOptions(command), [
    "quire chat",
    'quire chat "What is a KV cache?" --model qwen3-0.6b',
    'git diff | quire chat "Write a commit message for this." --json',
  ]);
  command.action(start(run));
}

async function run(session: Session, message: string | undefined, flags: Flags): Promise<void> {
  const piped = process.stdin.isTTY ? undefined : await readStdin(session.signal);
  const given = flags.lines ? linesOf(message, piped) : whole(message, piped);
  if (given.length === 0 && (piped !== undefined || session.json)) {
    throw new QuireError("bad-input", "There is no message.", {
      expected: "a message as argument or on standard input",
      fix: 'Try: quire chat "Hello"',
    });
  }
  const opened = await openModel(session, flags);
  const conversation = startConversation(opened, flags);
  try {
    if (given.length === 0) {
      await chatOnTerminal(session, conversation, opened.where);
      return;
    }
    const replies: (Reply & { message: string })[] = [];
    for (const one of given) {
      const reply = await conversation.send(one, (piece) => session.text(piece), session.signal);
      session.endText();
      replies.push({ message: one, text: reply.text, finishReason: reply.finishReason, usage: reply.usage });
    }
    const [only] = replies;
    if (!session.json || only === undefined) return;
    session.result(flags.lines ? { replies, model: opened.model.id } : { ...only, model: opened.model.id });
  } finally {
    conversation.close();
    await opened.close();
  }
}

function whole(message: string | undefined, piped: string | undefined): string[] {
  const both = [message, piped].filter((text) => text !== undefined && text.trim() !== "").join("\n\n");
  return both === "" ? [] : [both];
}

function linesOf(message: string | undefined, piped = ""): string[] {
  return [message ?? "", ...piped.split("\n")].map((line) => line.trim()).filter((line) => line !== "");
}
