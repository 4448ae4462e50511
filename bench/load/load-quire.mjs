/** One fresh process: opens a model with Quire, answers once, and says how long it took and how much memory it holds.
 *  Plain JavaScript against the built package, as users run it; arguments: built index.js, model, threads, tokens. */

const [index, model, threads, tokens] = process.argv.slice(2);
const started = performance.now();
const { Quire } = await import(index);
const imported = performance.now();
const quire = await Quire.open(model, { threads: Number(threads), device: "cpu" });
const loaded = performance.now();
const prompt = quire.tokenizer.encode("The sea is");
let first = 0;
let count = 0;
let cacheBytes = 0;
const stream = quire.streamTokens(Int32Array.from(prompt), {
  temperature: 0,
  ignoreEnd: true,
  maxTokens: Number(tokens),
});
for (;;) {
  const next = await stream.next();
  if (next.done) {
    cacheBytes = next.value.stats.cache.bytes;
    break;
  }
  if (count++ === 0) first = performance.now();
}
process.stdout.write(
  `${JSON.stringify({
    importMs: imported - started,
    openMs: loaded - imported,
    firstMs: first - started,
    tokens: count,
    rssBytes: process.memoryUsage.rss(),
    peakBytes: process.resourceUsage().maxRSS * 1024,
    cacheBytes,
  })}\n`,
);
await quire.close();
