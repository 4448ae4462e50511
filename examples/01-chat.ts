// Load a model and chat with it.
import { Quire } from "quire";

const quire = await Quire.open("smollm2-135m-instruct");
const chat = quire.chat({ system: "Answer in one sentence.", maxTokens: 60 });
for await (const text of chat.stream("What is the capital of France?")) process.stdout.write(text);
const second = await chat.send("And of Italy?");
console.log(
  `\n${second.text}\n(${second.usage.cachedTokens} of ${second.usage.promptTokens} prompt tokens were still in memory)`,
);
chat.close();
await quire.close();
