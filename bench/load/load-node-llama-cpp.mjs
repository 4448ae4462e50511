/** One fresh process: as load-quire.mjs, for node-llama-cpp with its defaults; arguments: its entry, model, threads, tokens. */

const [index, model, threads, tokens] = process.argv.slice(2);
const started = performance.now();
const { getLlama } = await import(index);
const imported = performance.now();
const llama = await getLlama({ gpu: false, build: "never", maxThreads: Number(threads) });
const loadedModel = await llama.loadModel({ modelPath: model });
const context = await loadedModel.createContext({ threads: Number(threads) });
const sequence = context.getSequence();
const loaded = performance.now();
let first = 0;
let count = 0;
const prompt = loadedModel.tokenize("The sea is");
for await (const _ of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
  if (count++ === 0) first = performance.now();
  if (count === Number(tokens)) break;
}
process.stdout.write(
  `${JSON.stringify({
    importMs: imported - started,
    openMs: loaded - imported,
    firstMs: first - started,
    tokens: count,
    rssBytes: process.memoryUsage.rss(),
    peakBytes: process.resourceUsage().maxRSS * 1024,
    contextTokens: context.contextSize,
  })}\n`,
);
await llama.dispose();
