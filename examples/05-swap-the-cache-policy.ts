// The same question with all of the cache, with a window of it, with heavy hitters, and with a policy of your own.
import { Quire } from "quire";
import { cachePolicy } from "quire/cache";
import { z } from "zod";

const everySecond = cachePolicy({
  name: "every-second",
  title: "Keeps every second entry of the prompt",
  options: z.object({}),
  create: () => {
    const afterPrefill = (view: import("quire/cache").CacheView) => [
      { kind: "keep" as const, slots: view.entries(0, 0).slots.filter((_, i) => i % 2 === 0) },
    ];
    const run = { afterPrefill, clone: () => run };
    return run;
  },
});

const quire = await Quire.open("smollm2-135m-instruct");
const prompt = `Summarise in one sentence: ${"The sea is wide and blue. ".repeat(40)}`;
for (const cache of ["full", "window:budget=128", "h2o:budget=0.25", everySecond()]) {
  const { text, stats } = await quire.generate(prompt, { cache, maxTokens: 30 });
  console.log(`${stats.cache.entries} entries, ${stats.cache.bytes} bytes: ${text}`);
}
await quire.close();
