import { createInterface } from "node:readline";
import { isQuireError, nearest } from "../errors.js";
import type { Conversation } from "./conversation.js";
import { reportFailure } from "./failure.js";
import { seconds } from "./layout.js";
import type { Session } from "./session.js";

/** The conversation loop of a terminal. Ctrl-C stops an answer; where none is running, it leaves at the second time. */

const commands: Record<string, string> = {
  "/help": "show this",
  "/clear": "forget the conversation",
  "/exit": "leave (also Ctrl-D)",
};

export async function chatOnTerminal(session: Session, conversation: Conversation, where: string): Promise<void> {
  const { style } = session;
  session.line(style.dim(`${where}.`));
  session.line(style.dim("/help shows the commands. Ctrl-C stops an answer, Ctrl-D leaves."));
  session.line();
  const terminal = createInterface({
    input: process.stdin,
    output: process.stdout,
    prompt: style.cyan("› "),
    completer: (line: string) => [Object.keys(commands).filter((name) => line !== "" && name.startsWith(line)), line],
  });
  let answering: AbortController | undefined;
  let askedToLeave = false;
  terminal.on("SIGINT", () => {
    if (answering !== undefined) answering.abort();
    else if (askedToLeave) terminal.close();
    else {
      askedToLeave = true;
      process.stdout.write(style.dim("\n(Ctrl-C again leaves)\n"));
      terminal.prompt();
    }
  });
  session.signal.addEventListener("abort", () => terminal.close(), { once: true });

  const turn = async (message: string): Promise<void> => {
    answering = new AbortController();
    try {
      const { usage, finishReason } = await conversation.send(
        message,
        (piece) => session.text(piece),
        answering.signal,
      );
      session.endText();
      const speed = usage.completionTokens / Math.max(usage.seconds, 0.001);
      const cut = finishReason === "length" ? ", cut off at the limit of tokens (--max-tokens)" : "";
      session.hint(`${usage.completionTokens} tokens, ${seconds(usage.seconds)}, ${speed.toFixed(0)} tokens/s${cut}`);
    } catch (error) {
      session.endText();
      if (isQuireError(error) && error.code === "cancelled") session.hint("(stopped)");
      else reportFailure(error, false);
    } finally {
      session.line();
      answering = undefined;
    }
  };

  terminal.prompt();
  for await (const line of terminal) {
    askedToLeave = false;
    const message = line.trim();
    if (message === "/exit" || message === "/quit") break;
    if (message === "/clear") {
      conversation.clear();
      session.line(style.dim("The conversation is forgotten."));
    } else if (message === "/help") {
      for (const [name, what] of Object.entries(commands)) session.line(`${name.padEnd(8)} ${style.dim(what)}`);
    } else if (/^\/[a-z]+$/.test(message)) {
      const [near] = nearest(message, Object.keys(commands));
      session.line(
        style.dim(
          `There is no ${message}.${near === undefined ? " /help shows the commands." : ` Did you mean ${near}?`}`,
        ),
      );
    } else if (message !== "") await turn(message);
    terminal.prompt();
  }
  terminal.close();
}
