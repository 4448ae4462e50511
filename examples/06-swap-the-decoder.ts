// Plain decoding and drafts copied from the prompt: the same text in fewer passes.
import { Quire } from "quire";
import { promptLookup } from "quire/decode";

const quire = await Quire.open("smollm2-135m-instruct");
const prompt = "Repeat this sentence three times: The quick brown fox jumps over the lazy dog.";
const plain = await quire.generate(prompt, { maxTokens: 60 });
const drafted = await quire.generate(prompt, { maxTokens: 60, decoder: promptLookup({ draft: 8 }) });
console.log(plain.text === drafted.text ? "equal texts" : "texts differ");
console.log(`${plain.stats.passes} passes plain, ${drafted.stats.passes} with drafts`);
await quire.close();
