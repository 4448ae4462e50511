import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { textPositions } from "../corpus/lines.js";
import type { Evidence, EvidenceBudget } from "../corpus/select/selector.js";
import { isQuireError } from "../errors.js";
import { type AskInput, type AskOutput, ask } from "./ask.js";
import { type AskEvent, standsIn } from "./ask-answer.js";
import { refuses } from "./ask-prompt.js";
import { couldAnswer, parseQuestion, withoutNames } from "./ask-question.js";
import type { LanguageModel } from "./language-model.js";
import { runProgram } from "./run.js";
import { scriptedModel } from "./scripted-model.js";
import { sentenceSpans } from "./sentences.js";

const documents: Record<string, string> = {
  "conf/server.md":
    "# Server\n\nThe setting `max_links` defaults to 100 — a change needs a restart. Größe and order do not matter.\n\nThe setting `trace` survives a restart.\nIt is off by default.\n",
  "people.txt": "Ann Lee founded Brix Works. She liked tea.\n\nBob Orr swept the yard.\n",
  "towns/essen.md": "# Birthplaces\n\nAnn Lee was born in Tarn. The town has a bridge.\n",
};

/** Paragraphs as passages, scored by shared words. */
function passages(): Evidence[] {
  return Object.entries(documents).flatMap(([uri, text]) => {
    const positions = textPositions(text);
    const cuts = [0, ...[...text.matchAll(/\n\n/g)].map((match) => match.index + 2), text.length];
    return cuts.slice(1).map((end, i) => {
      const start = cuts[i] ?? 0;
      const [startByte, endByte] = [positions.byteOfIndex(start), positions.byteOfIndex(end)];
      const lines = positions.linesOfBytes(startByte, endByte);
      const chunk = {
        id: `${uri}#${i}`,
        documentId: uri,
        uri,
        text: text.slice(start, end),
        startByte,
        endByte,
        ...lines,
        header: "",
        order: i,
      };
      return { chunk, score: 0, reason: "", by: "test" };
    });
  });
}

async function select(query: string, budget: EvidenceBudget): Promise<Evidence[]> {
  const asked = query.toLowerCase().match(/\p{L}{3,}/gu) ?? [];
  return passages()
    .map((one) => ({
      ...one,
      score: asked.filter((word) => one.chunk.text.toLowerCase().includes(word)).length,
      reason: "words",
    }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, budget.passages);
}

async function asked(
  question: string,
  model: LanguageModel | undefined,
  input: Partial<AskInput> = {},
  options: Parameters<typeof ask>[0] = {},
): Promise<AskOutput & { streamed: string; events: AskEvent[] }> {
  const streamed: string[] = [];
  const events: AskEvent[] = [];
  const whole = {
    question,
    select,
    onText: (text: string) => streamed.push(text),
    onEvent: (event: AskEvent) => events.push(event),
    ...input,
  };
  const { output, trace } = await runProgram(ask(options), whole, { model });
  expect(trace.calls).toBe(output.usage.calls);
  expect(streamed.join("").trim()).toBe(output.answer);
  checkQuotes(output);
  return { ...output, streamed: streamed.join(""), events };
}

/** Every quote is the document's text at its bytes and lines; every number in the answer has its evidence. */
function checkQuotes(output: AskOutput): void {
  for (const one of [...output.evidence, ...output.citations]) {
    const text = documents[one.file] ?? "";
    expect(Buffer.from(text).subarray(one.startByte, one.endByte).toString()).toBe(one.quote);
    expect(textPositions(text).linesOfBytes(one.startByte, one.endByte)).toEqual({
      startLine: one.startLine,
      endLine: one.endLine,
    });
    expect(one.quote).not.toBe("");
  }
  expect(output.evidence.map(({ n }) => n)).toEqual(output.evidence.map((_, i) => i + 1));
  for (const { n, at } of output.citations) {
    expect(output.evidence[n - 1]?.cited).toBe(true);
    expect(output.answer.slice(at)).toMatch(/^\[\d+\]/);
  }
  for (const [, n] of output.answer.matchAll(/\[(\d+)\]/g))
    expect(Number(n)).toBeLessThanOrEqual(output.evidence.length);
}

const large = { contextTokens: 4096, parameters: 8e9 };
const tiny = { contextTokens: 2048, parameters: 135e6 };

describe("ask, passages", () => {
  it("shows numbered passages, question last, and returns a checked answer", async () => {
    const model = scriptedModel(["The setting trace survives a restart [1]. It is off by default [7]."], large);
    const output = await asked("Which setting survives a restart?", model);
    const prompt = model.requests[0]?.messages.at(-1)?.content ?? "";
    expect(prompt.startsWith("[1] conf/server.md")).toBe(true);
    expect(prompt.indexOf("Question: Which setting survives a restart?")).toBeGreaterThan(prompt.lastIndexOf("[2] "));
    expect(output).toMatchObject({
      unsupported: false,
      answeredBy: "model",
      model: "scripted",
      checks: { removedCitations: 1 },
    });
    expect(output.evidence[0]).toMatchObject({ n: 1, file: "conf/server.md", cited: true, reason: "words" });
    expect(output.citations[0]).toMatchObject({
      n: 1,
      by: "model",
      support: 1,
      quote: expect.stringContaining("survives a restart"),
    });
    expect(output.citations[1]).toMatchObject({ by: "attribution", quote: "It is off by default." });
    expect(output.usage).toMatchObject({ calls: 1, completionTokens: model.total.completionTokens });
    expect(output.events.map(({ type }) => type).filter((type) => type !== "text")).toEqual([
      "evidence-found",
      "citation",
      "citation",
    ]);
  });

  it("finds the citations of a model that cites nothing", async () => {
    const output = await asked(
      "What is the default of max_links?",
      scriptedModel(["By default, max_links is 100."], large),
    );
    expect(output.answer).toMatch(/^By default, max_links is 100 \[\d\]\.$/);
    expect(output.citations[0]?.quote).toContain("defaults to 100");
    expect(output.unsupported).toBe(false);
  });

  it("says so when the model does not find it, when it invents it, and when it says nothing", async () => {
    for (const [said, shown] of [
      ["The documents do not say.", /^The documents do not say\.$/],
      ["Jupiter has ninety moons made of cheese.", /Nothing in the documents found confirms this answer\.$/],
      ["", /^The documents do not say\.$/],
    ] as const) {
      const output = await asked("Which setting survives a restart?", scriptedModel([said], large));
      expect(output.answer).toMatch(shown);
      expect(output.unsupported).toBe(true);
      expect(output.citations).toEqual([]);
      expect(output.evidence.length).toBeGreaterThan(0);
      expect(output.events.at(-1)).toEqual({ type: "unsupported" });
    }
  });

  it("never shows a false citation, whatever the model says", async () => {
    const piece = fc.oneof(
      fc.constantFrom("[1]", "[2]", "[9]", "[0]", "[1-3]", ". ", " ", "\n", "restart", "Ann Lee", "100", "`", "trace"),
      fc.string({ maxLength: 5 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 25 }), async (pieces) => {
        // `asked` checks all quotes and numbers.
        await asked("Which setting survives a restart?", scriptedModel([pieces.join("").replaceAll("`", "")], large));
      }),
      { numRuns: 150 },
    );
  });

  it("fits the window: fewer passages in a small one, a typed error where none fits", async () => {
    const many = "Which setting, founder, town or yard survives a restart?";
    const small = scriptedModel(["x"], { contextTokens: 175 });
    await asked(many, small, {}, { answer: 20 });
    const shown = (model: typeof small) => model.requests[0]?.messages.at(-1)?.content.match(/^\[\d\]/gm)?.length ?? 0;
    const roomy = scriptedModel(["x"], large);
    await asked(many, roomy, {}, { answer: 20 });
    expect(shown(small)).toBeGreaterThan(0);
    expect(shown(small)).toBeLessThan(shown(roomy));
    const error = await asked("Which?", scriptedModel(["x"], { contextTokens: 100 })).catch(
      (caught: unknown) => caught,
    );
    expect(isQuireError(error) && error.code).toBe("context-overflow");
    const empty = await asked("  ", roomy).catch((caught: unknown) => caught);
    expect(isQuireError(empty) && empty.code).toBe("bad-input");
  });

  it("leaves out passages whose document has changed", async () => {
    const readRange: AskInput["readRange"] = ({ uri, startByte, endByte }) =>
      uri === "people.txt"
        ? undefined
        : Buffer.from(documents[uri] ?? "")
            .subarray(startByte, endByte)
            .toString();
    const output = await asked("Who founded Brix Works?", scriptedModel(["Ann Lee founded it."], large), { readRange });
    expect(output.checks.stalePassages).toBeGreaterThan(0);
    expect(output.evidence.map(({ file }) => file)).not.toContain("people.txt");
  });
});

describe("ask, sentences", () => {
  it("takes the first answer whose words stand in the sentence", async () => {
    const model = scriptedModel(["It is 100 because of Zeus.", "It is off."], tiny);
    const output = await asked("What is the default of a setting?", model, {}, { confidence: 0 });
    expect(output.answer).toMatch(/^It is off \[\d\]\.$/);
    expect(output.citations.map(({ quote }) => quote)).toEqual(["It is off by default."]);
    expect(output.answeredBy).toBe("model");
    expect(model.requests.length).toBeGreaterThan(1);
  });

  it("quotes the sentence itself when the model only invents", async () => {
    const output = await asked("Who founded Brix Works?", scriptedModel(["Zeus founded it."], tiny));
    expect(output).toMatchObject({
      answer: "Ann Lee founded Brix Works [1].",
      answeredBy: "quotation",
      unsupported: false,
    });
  });

  it("follows a name to another document, and cites both", async () => {
    const model = scriptedModel(
      ({ messages }) => (messages[0]?.content.includes("Tarn") ? "Tarn" : "No idea, Zeus"),
      tiny,
    );
    const output = await asked("Where was the founder of Brix Works born?", model);
    expect(output.answer).toMatch(/^Tarn \[\d\]\[\d\]$/);
    expect(new Set(output.citations.map(({ file }) => file))).toEqual(new Set(["people.txt", "towns/essen.md"]));
  });

  it("asks no model where nothing comes near, and lists the nearest passages", async () => {
    const model = scriptedModel(["Anything"], tiny);
    const output = await asked("What is the default of Zorbium in the yard?", model);
    expect(output.unsupported).toBe(true);
    expect(output.answer).toContain("The documents do not say.");
    expect(output.evidence.length).toBeGreaterThan(0);
    expect(model.requests).toHaveLength(0);
  });

  it("gives open questions the passages", async () => {
    const model = scriptedModel(["Set trace; it survives a restart."], tiny);
    await asked("Explain how a restart treats settings", model);
    expect(model.requests[0]?.messages.at(-1)?.content).toContain("[1] ");
  });

  it("uses embeddings where they are at hand", async () => {
    // One axis a topic: "work" meets "swept" without sharing a word.
    const embed: AskInput["embed"] = async (texts) =>
      texts.map((text) => Float32Array.from(/labour|swept/.test(text) ? [1, 0] : [0, 1]));
    const output = await asked("What labour did Bob do?", scriptedModel(["swept the yard"], tiny), { embed });
    expect(output.answer).toMatch(/^swept the yard \[\d\]$/);
    expect(output.citations[0]?.quote).toBe("Bob Orr swept the yard.");
  });
});

describe("ask without a model", () => {
  it("says so, and shows the best places with citations", async () => {
    const output = await asked("Which setting survives a restart?", undefined);
    expect(output.answer).toContain("No language model answered");
    expect(output.answer).toContain("conf/server.md: ");
    expect(output).toMatchObject({
      model: undefined,
      answeredBy: "passages",
      unsupported: false,
      usage: { calls: 0, promptTokens: 0 },
    });
    expect(output.citations.length).toBeGreaterThan(0);
  });

  it("says so when nothing fits, and when nothing was found", async () => {
    const nothingFits = await asked("What is the melting point of Zorbium in the yard?", undefined);
    expect(nothingFits.unsupported).toBe(true);
    expect(nothingFits.answer).toContain("no passage seems to hold the answer");
    const nothingFound = await asked("Zorbium?", undefined, { select: async () => [] });
    expect(nothingFound).toMatchObject({ unsupported: true, evidence: [] });
    expect((await asked("Zorbium?", scriptedModel(["x"], large), { select: async () => [] })).answer).toContain(
      "do not say",
    );
  });
});

describe("whether an answer stands in its sentences", () => {
  it("does not turn a prohibition round", () => {
    const question = parseQuestion("With which library must binaries not be linked?");
    const sentence = ["Binaries must not be linked with the GNU library."];
    expect(standsIn("GNU", sentence, question)).toBe(true);
    expect(standsIn("Binaries must be linked with the GNU library.", sentence, question)).toBe(false);
    expect(standsIn("Binaries must not be linked with the GNU library.", sentence, question)).toBe(true);
  });

  it("takes no invention, no denial, no repetition, and of two sentences the second", () => {
    const question = parseQuestion("Where was the founder of Brix Works born?");
    const sentences = ["Ann Lee founded Brix Works.", "Ann Lee was born in Tarn."];
    for (const [answer, stands] of [
      ["Tarn", true],
      ["Ann Lee was born in Tarn.", true],
      ["The founder was born in Zeus.", false],
      ["Ann Lee", false],
      ["The founder of Brix Works was born.", false],
      ["Not in Tarn", false],
      ["Was Ann Lee born in Tarn?", false],
      ["", false],
    ] as const) {
      expect([answer, standsIn(answer, sentences, question)]).toEqual([answer, stands]);
    }
  });
});

describe("reading a question", () => {
  it("tells names from matter, and the kind of answer", () => {
    const question = parseQuestion("How many people work for Brix Works on port_8080?");
    expect([...question.names]).toEqual(["brix", "work", "port", "8080"]);
    expect(question.wants).toBe("number");
    expect(parseQuestion("In which year was it built?").wants).toBe("year");
    expect(parseQuestion("How tall is it?").wants).toBe("measure");
    expect(parseQuestion("Who was it?").wants).toBe("name");
    expect(parseQuestion("What is it for?").wants).toBeUndefined();
    expect(parseQuestion("Why does it fail?").open).toBe(true);
    expect(withoutNames("Brix Works has port_8080", question.names)).toBe("X has X_X");
  });

  it("knows what could not be an answer", () => {
    const when = parseQuestion("In which year was Brix Works founded in 1900?");
    expect(couldAnswer(when, "Founded in 1900.")).toBe(false);
    expect(couldAnswer(when, "Founded in 1875.")).toBe(true);
    const long = parseQuestion("How long must it be?");
    for (const [text, could] of [
      ["two characters at least", true],
      ["3 m", true],
      ["the longest of three.", false],
    ] as const) {
      expect([text, couldAnswer(long, text)]).toEqual([text, could]);
    }
    expect(couldAnswer(parseQuestion("Who founded it?"), "it was founded in a barn")).toBe(false);
  });

  it("knows a refusal, and does not take an answer for one", () => {
    for (const text of [
      "The documents do not say.",
      "The text doesn't mention it.",
      "I don’t know.",
      "It is not stated.",
      "No information on that.",
    ]) {
      expect([text, refuses(text)]).toEqual([text, true]);
    }
    for (const text of [
      "It is 100.",
      "Packages must not include files.",
      "The setting is not saved.",
      "It does not restart.",
    ]) {
      expect([text, refuses(text)]).toEqual([text, false]);
    }
  });
});

describe("sentences", () => {
  const cut = (text: string) => sentenceSpans(text).map(({ start, end }) => text.slice(start, end));

  it("end at full stops, not at abbreviations, decimals or wrapped lines", () => {
    expect(cut("It is 3.5 m. See e.g. Dr. Orr for\nmore. “Yes!” Then? No")).toEqual([
      "It is 3.5 m.",
      "See e.g. Dr. Orr for\nmore.",
      "“Yes!”",
      "Then?",
      "No",
    ]);
    expect(cut("# Title\nText here.\n- one\n- two\n\nMore\n")).toEqual([
      "# Title",
      "Text here.",
      "- one",
      "- two",
      "More",
    ]);
    expect(cut("これは。それは。")).toEqual(["これは。", "それは。"]);
  });

  it("come in order, do not overlap, and leave only white space out", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("a", "B", ".", "!", " ", "\n", "#", "-", "é", "1"), maxLength: 80 }),
        (text) => {
          let at = 0;
          let rest = "";
          for (const { start, end } of sentenceSpans(text)) {
            expect(start).toBeGreaterThanOrEqual(at);
            expect(end).toBeGreaterThan(start);
            rest += text.slice(at, start);
            at = end;
          }
          expect((rest + text.slice(at)).trim()).toBe("");
        },
      ),
      { numRuns: 500 },
    );
  });
});
