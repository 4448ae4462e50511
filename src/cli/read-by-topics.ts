import { QuireError } from "../errors.js";
import type { TopicAnswer } from "../programs/read-topics.js";
import type { Flags } from "./commands/read.js";
import { count, seconds } from "./layout.js";
import { openFolder } from "./open-folder.js";
import { openModel } from "./open-model.js";
import { openReadLog } from "./read-log.js";
import type { Session } from "./session.js";

/** `quire read --topics`: an answer for every topic of the map, then one for the whole. */

export async function readByTopics(session: Session, target: string, instruction: string, flags: Flags): Promise<void> {
  const levels = levelsOf(flags.topics);
  if (flags.plan) {
    throw new QuireError("bad-option", "A plan by topics cannot be shown.", {
      got: "--plan with --topics",
      expected: "one of the two",
      fix: "Without --topics the plan shows about the same number of calls.",
    });
  }
  const opened = await openModel(session, flags);
  try {
    const corpus = await openFolder(session, target, flags, { model: opened.model });
    try {
      const { log, remove } = await openReadLog(target, `topics ${levels} ${instruction}`, opened.model.id, flags);
      if (log.size > 0) session.hint(`Going on where an earlier run stopped: ${count(log.size, "call")} done.`);
      const started = performance.now();
      const { answer, trace } = await corpus
        .readByTopic(instruction, {
          levels,
          log,
          parallel: flags.parallel,
          seed: flags.seed,
          limits: { calls: flags.maxCalls },
          read: {
            ...(typeof flags.part === "number" ? { part: flags.part } : {}),
            ...(flags.maxTokens === undefined ? {} : { answer: flags.maxTokens }),
          },
          signal: session.signal,
          onProgress: (phase, done, total) => session.progress.show({ phase, done, total, unit: "steps" }),
          onTopic(topic, done, total) {
            if (done < total && !session.json) writeTopic(session, topic);
            session.progress.show({ phase: "Reading", name: topic.name, done, total, unit: "steps" });
          },
        })
        .finally(() => log.close());
      session.progress.clear();
      await remove();
      const usage = { ...trace.usage, calls: trace.calls, replayed: trace.replayed };
      if (session.json) session.result({ ...answer, usage, model: opened.model.id, trace });
      else {
        session.line(session.style.bold(answer.name));
        session.line(answer.answer);
      }
      const cost = `${count(trace.calls, "call")}, ${count(trace.usage.completionTokens, "token")} written`;
      session.hint(`\nBy ${opened.where}. ${cost}, ${seconds((performance.now() - started) / 1000)}.`);
    } finally {
      await corpus.close();
    }
  } finally {
    await opened.close();
  }
}

function levelsOf(given: boolean | string | undefined): number {
  if (typeof given !== "string") return 1;
  const levels = Number(given);
  if (Number.isSafeInteger(levels) && levels >= 1 && levels <= 9) return levels;
  throw new QuireError("bad-option", `"${given}" cannot be used for --topics.`, {
    got: given,
    expected: "a whole number of levels from 1 to 9, or nothing",
  });
}

function writeTopic(session: Session, topic: TopicAnswer): void {
  session.line(session.style.bold(topic.name));
  session.line(topic.empty ? session.style.dim("Nothing about it.") : topic.answer);
  session.line();
}
