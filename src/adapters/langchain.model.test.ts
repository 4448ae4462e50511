import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { Document } from "@langchain/core/documents";
import { HumanMessage, SystemMessage } from "@langchain/core/messages";
import { StringOutputParser } from "@langchain/core/output_parsers";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../cli/run-cli.case.js";
import { openCorpus } from "../corpus-session.js";
import { Embedder } from "../engine/embedder.js";
import { Quire } from "../quire.js";
import { testModel } from "../weights/test-models.js";
import { ChatQuire, QuireEmbeddings, QuireRetriever, QuireTextSplitter } from "./langchain.js";

/** LangChain.js with models in this process. */

describe("Quire in LangChain", () => {
  let quire: Quire;
  beforeAll(async () => {
    quire = await Quire.open("smollm2-135m-instruct", { threads: 1 });
  });
  afterAll(() => quire.close());

  it("chats, streams, and stands in a chain", async () => {
    const options = { temperature: 0, maxTokens: 12 };
    const model = new ChatQuire(quire, options);
    const messages = [new SystemMessage("You are brief."), new HumanMessage("Name a colour.")];
    const expected = await quire.generate(
      [
        { role: "system", content: "You are brief." },
        { role: "user", content: "Name a colour." },
      ],
      options,
    );
    const answer = await model.invoke(messages);
    expect(answer.content).toBe(expected.text);
    expect(answer.usage_metadata?.output_tokens).toBe(expected.usage.completionTokens);
    let streamed = "";
    for await (const chunk of await model.stream(messages)) streamed += chunk.content;
    expect(streamed).toBe(expected.text);
    const chain = ChatPromptTemplate.fromTemplate("Name a {thing}.").pipe(model).pipe(new StringOutputParser());
    expect((await chain.invoke({ thing: "colour" })).length).toBeGreaterThan(0);
    expect(String((await model.invoke("Count: 1, 2, 3,", { stop: ["5"] })).content)).not.toContain("5");
  });

  it("embeds, cuts, and finds", async () => {
    const embedder = await Embedder.open(await testModel("all-minilm-l6-v2"), { threads: 1 });
    const embeddings = new QuireEmbeddings(embedder);
    expect(await embeddings.embedQuery("a cat")).toHaveLength(384);
    expect(await embeddings.embedDocuments(["a", "b"])).toHaveLength(2);
    await embedder.close();

    const text = Array.from({ length: 200 }, (_, i) => `Sentence ${i} says something of its own.`).join(" ");
    const splitter = new QuireTextSplitter("sentence");
    const pieces = await splitter.splitText(text);
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join("")).toBe(text);
    const [first] = await splitter.transformDocuments([
      new Document({ pageContent: text, metadata: { source: "a.txt" } }),
    ]);
    expect(first?.metadata).toMatchObject({ source: "a.txt", loc: { lines: { from: 1 } } });

    const folder = path.join(await temporaryFolder(), "docs");
    await mkdir(folder);
    await writeFile(path.join(folder, "port.md"), "# Port\n\nThe widget server listens on port 4711.\n");
    await writeFile(path.join(folder, "people.md"), "# People\n\nMarta Olsen signs the release tag.\n");
    const corpus = await openCorpus(folder, { embedder: "none" });
    const [best] = await new QuireRetriever(corpus, { k: 1 }).invoke("Who signs the release tag?");
    expect(best?.pageContent).toContain("Marta Olsen");
    expect(best?.metadata).toMatchObject({ source: "people.md", loc: { lines: { from: 1 } } });
    await corpus.close();
  });
});
