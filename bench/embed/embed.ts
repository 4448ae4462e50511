import { availableParallelism } from "node:os";
import { pathToFileURL } from "node:url";
import { Embedder } from "../../src/engine/embedder.js";
import { openHfTokenizer } from "../../src/text/hf-tokenizer.js";
import { resolveModel } from "../../src/weights/resolve-model.js";
import { openTransformersJs } from "./transformers-js.js";

/** Embedding throughput, side by side with @huggingface/transformers on the same MiniLM in the same process, turns interleaved,
 *  medians. Run: npm install --prefix bench --omit=optional --ignore-scripts && npx tsx bench/embed/embed.ts [--quick] */

export interface EmbedRow {
  readonly texts: "mixed" | "sorted" | "equal";
  readonly engine: string;
  readonly threads: number;
  readonly seconds: number;
  readonly textsPerSecond: number;
  readonly tokensPerSecond: number;
  /** The largest cosine distance from Quire's vectors with the weights as stored. */
  readonly largestDistance: number;
}

export interface EmbedBench {
  readonly rows: EmbedRow[];
  /** Quire's texts per second over the rival's. */
  readonly ratios: Record<string, number>;
}

/** What transformers.js users send at a time. */
const rivalBatch = 32;

export async function run(options: { quick?: boolean; threads?: number; model?: string } = {}): Promise<EmbedBench> {
  const { quick = false, threads = Math.min(2, availableParallelism()), model = "all-minilm-l6-v2" } = options;
  const { path } = await resolveModel(model);
  const quire = await Embedder.open(path, { device: "cpu", threads });
  const rounded = await Embedder.open(path, { device: "cpu", threads, precision: "bf16" });
  const rival = await openTransformersJs(path, { threads, batch: rivalBatch, maxTokens: quire.maxTokens });
  const tokenizer = await openHfTokenizer(path);
  const rivalName = `@huggingface/transformers ${rival.version}`;
  const engines: [string, (texts: readonly string[]) => Promise<Float32Array[]>][] = [
    ["quire", (texts) => quire.embed(texts)],
    ["quire bf16", (texts) => rounded.embed(texts)],
    [rivalName, (texts) => rival.embed(texts)],
  ];
  const rows: EmbedRow[] = [];
  const ratios: Record<string, number> = {};
  try {
    for (const [kind, texts] of workloads(quick ? 32 : 192)) {
      const tokens = texts.reduce((sum, text) => sum + tokenizer.encode(text, { bos: true }).length, 0);
      const times = engines.map((): number[] => []);
      let vectors: Float32Array[][] = [];
      // The first round warms up.
      for (let round = 0; round <= (quick ? 2 : 5); round++) {
        const made: Float32Array[][] = [];
        for (const [at, [, embed]] of engines.entries()) {
          const start = performance.now();
          made.push(await embed(texts));
          if (round > 0) times[at]!.push((performance.now() - start) / 1000);
        }
        vectors = made;
      }
      for (const [at, [engine]] of engines.entries()) mustAgree(engine, distances(vectors[at]!, vectors[0]!));
      const seconds = times.map(median);
      for (const [at, [engine]] of engines.entries()) {
        rows.push({
          texts: kind,
          engine,
          threads,
          seconds: seconds[at]!,
          textsPerSecond: texts.length / seconds[at]!,
          tokensPerSecond: tokens / seconds[at]!,
          largestDistance: Math.max(...distances(vectors[at]!, vectors[0]!)),
        });
      }
      const [exact = 0, fast = 0, other = 0] = seconds;
      ratios[`${kind}VsTransformers`] = other / exact;
      ratios[`${kind}Bf16VsTransformers`] = other / fast;
    }
  } finally {
    await Promise.all([quire.close(), rounded.close(), rival.close()]);
  }
  return { rows, ratios };
}

/** Texts of 8 to 180 words as they come, the same by length (the rival's batches then hold little padding), and of one length. */
function workloads(count: number): [EmbedRow["texts"], string[]][] {
  let state = 12345;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const text = (length: number): string => Array.from({ length }, () => words[random(words.length)]).join(" ");
  const mixed = Array.from({ length: count }, () => text(8 + random(172)));
  const sorted = [...mixed].sort((a, b) => a.length - b.length);
  return [
    ["mixed", mixed],
    ["sorted", sorted],
    ["equal", Array.from({ length: count }, () => text(62))],
  ];
}

const words =
  `the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which one you
were her all she there would their we him been has when who will more no if out so said what up its about into than them can
only other new some could time these two may then do first any my now such like our over man me even most made after also did
many before must through back years where much your way well down should because each just those people how too little state
good very make world still own see men work long get here between both life being under never day same another know while
last might us great old year off come since against go came right used take three engine contract hospital quantum harvest`.split(
    /\s+/,
  );

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function distances(vectors: readonly Float32Array[], others: readonly Float32Array[]): number[] {
  return others.map((other, text) => distance(vectors[text] ?? new Float32Array(other.length), other));
}

/** A speed counts only where the result is the same. */
function mustAgree(engine: string, distances: readonly number[]): void {
  const worst = distances.findIndex((value) => !(value < 1e-4));
  if (worst >= 0) throw new Error(`${engine}: the vector of text ${worst} is another (distance ${distances[worst]}).`);
}

function distance(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  let squaresA = 0;
  let squaresB = 0;
  for (let at = 0; at < a.length; at++) {
    dot += a[at]! * b[at]!;
    squaresA += a[at]! ** 2;
    squaresB += b[at]! ** 2;
  }
  return 1 - dot / Math.sqrt(squaresA * squaresB);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(JSON.stringify(await run({ quick: process.argv.includes("--quick") }), null, 2));
}
