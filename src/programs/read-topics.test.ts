import { describe, expect, it } from "vitest";
import { usableTitle } from "./name-topic.js";
import { planTopics, readTopics, type TopicToRead } from "./read-topics.js";
import { runProgram } from "./run.js";
import { scriptedModel } from "./scripted-model.js";

const leaf = (name: string, text: string): TopicToRead => ({
  id: name,
  name,
  chunks: [{ uri: `${name}.md`, text, startByte: 0, endByte: text.length, startLine: 1, endLine: 1 }],
});

const root: TopicToRead = {
  id: "all",
  name: "all",
  topics: [
    leaf("birds", "Storks build nests on chimneys."),
    {
      id: "fish",
      name: "fish",
      topics: [leaf("trout", "Trout spawn in gravel."), leaf("eels", "Eels spawn far out at sea.")],
    },
  ],
};

describe("read by topic", () => {
  it("answers every topic and joins up the tree, children before parents", async () => {
    const order: string[] = [];
    const model = scriptedModel(({ messages }) => {
      const said = messages[0]!.content;
      if (!said.includes("Topic:")) return `about ${/=== (\w+)\.md/.exec(said)?.[1]}`;
      return `joined ${[...said.matchAll(/^Topic: (.+)$/gm)].map(([, name]) => name).join("+")}`;
    });
    let streamed = "";
    const { output, trace } = await runProgram(
      readTopics(),
      { instruction: "Summarise", root, onTopic: ({ name }) => order.push(name), onText: (text) => (streamed += text) },
      { model },
    );
    expect(order).toEqual(["birds", "trout", "eels", "fish", "all"]);
    expect(output.answer).toBe("joined birds+fish");
    expect(output.topics?.[1]).toMatchObject({ name: "fish", answer: "joined trout+eels" });
    expect(output.topics?.[1]?.topics?.[0]).toMatchObject({ answer: "about trout", empty: false });
    expect(streamed).toBe(output.answer);
    expect(trace.calls).toBe(5);
    expect(planTopics({ instruction: "Summarise", root }, model)).toMatchObject({ topics: 5, calls: 5 });
  });

  it("topics with nothing to say are passed over, and one answer needs no joining", async () => {
    const model = scriptedModel(({ messages }) =>
      messages[0]!.content.includes("Eels") ? "Far out at sea." : "NOTHING",
    );
    const { output, trace } = await runProgram(readTopics(), { instruction: "Where do eels spawn?", root }, { model });
    expect(output).toMatchObject({ answer: "Far out at sea.", empty: false });
    expect(output.topics?.[0]).toMatchObject({ empty: true });
    expect(trace.calls).toBe(3);
    const none = await runProgram(
      readTopics(),
      { instruction: "Where do owls sleep?", root },
      { model: scriptedModel(["NOTHING"]) },
    );
    expect(none.output).toMatchObject({ empty: true, answer: "Nothing in what was read answers this." });
  });

  it("joins in halves where the answers do not fit the window together", async () => {
    const topics = Array.from({ length: 12 }, (_, i) => leaf(`t${i}`, `Fact ${i}.`));
    const long = Array.from({ length: 40 }, (_, i) => `w${i}`).join(" ");
    const model = scriptedModel(() => long, { contextTokens: 400 });
    const { output } = await runProgram(
      readTopics({ answer: 60 }),
      { instruction: "List", root: { id: "r", name: "r", topics } },
      { model },
    );
    expect(output.answer).toBe(long);
    expect(model.requests.length).toBeGreaterThan(13);
  });
});

describe("titles of topics", () => {
  const topic = {
    terms: ["conffiles", "dpkg"],
    excerpts: ["How dpkg treats configuration files on upgrade."],
    taken: ["Shared libraries"],
  };
  it.each([
    ["Configuration files\n", "Configuration files"],
    ['Title: "Dpkg and conffiles."', "Dpkg and conffiles"],
    ["**Upgrade of configuration**", "Upgrade of configuration"],
    ["shared libraries", undefined],
    ["These passages all talk about how a package is upgraded", undefined],
    ["Ancient Rome", undefined],
    ["", undefined],
    ["...", undefined],
  ])("%j", (answer, expected) => {
    expect(usableTitle(answer, topic)).toBe(expected);
  });
});
