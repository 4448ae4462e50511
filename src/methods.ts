import { nearest, QuireError } from "./errors.js";
import { type MethodHead, type MethodKind, type Part, parseMethodString, suggestion } from "./method.js";

/** The catalogue: one line a method. Strings stop here: below this file only parts travel. A row that works has a module, a page
 *  (docs/methods/NAME.md), a test, and a result (docs/results/NAME.md or the one it names). */

export interface MethodRow {
  readonly name: string;
  readonly kind: MethodKind;
  readonly title: string;
  readonly arxiv: string;
  readonly state: "works" | "planned";
  /** The result that measures it, docs/results/RESULT.md; its own name where not said otherwise. */
  readonly result: string;
}

type Published = readonly [arxiv: string, title: string, state?: "works", result?: string];

const published = (kind: MethodKind, rows: Record<string, Published>): MethodRow[] =>
  Object.entries(rows).map(([name, [arxiv, title, state, result]]) => ({
    name,
    kind,
    title,
    arxiv,
    state: state ?? "planned",
    result: result ?? name,
  }));

export const methods: readonly MethodRow[] = [
  ...published("cache", {
    h2o: ["2306.14048", "Keep what collected the most attention, and the newest", "works", "cache"],
    cake: ["2503.12491", "Give each layer the cache its attention pattern deserves", "works", "cache"],
    "lazy-eviction": ["2506.15969", "Evict late, and spare what is due to return", "works", "cache"],
    chelsea: ["2506.11418", "Merge near-duplicate keys into weighted centroids", "works", "cache"],
    spatten: [
      "2012.09852",
      "Prune tokens and heads layer after layer, read key bits only when needed",
      "works",
      "cache-reading",
    ],
    longheads: ["2402.10685", "Each head reads a few chunks, renumbered to fit the trained length", "works"],
    chunkllm: ["2510.02361", "Small trained adapters pick the chunks that each layer reads", "works", "cache-reading"],
  }),
  ...published("engine", {
    sarathi: ["2308.16369", "Cut long prompts into slices and let decodes ride along", "works"],
    "cache-craft": ["2502.15734", "Reuse the cache of retrieved chunks at any position, repair a few tokens"],
    blockllm: ["2404.18322", "Serve many fine-tuned models from one zoo of shared blocks"],
    expertflow: ["2410.17954", "Predict a token's experts and keep those in fast memory"],
    bitstack: ["2410.23918", "Weights as stacks of one-bit blocks, as many as memory allows"],
    mos: ["2410.00938", "Adapters assembled from shards of a few shared pools"],
    tokenring: ["2412.20501", "Keys stay put, queries and partial results travel a ring both ways"],
  }),
  ...published("decoder", {
    rsd: ["2402.14160", "A tree of drafts drawn without replacement, verified exactly", "works", "decoders"],
    treepo: ["2508.17445", "Many answers as one tree of segments with a shared cache"],
    hogwild: ["2504.06261", "Workers write at once into one cache and read each other", "works"],
    "recurrent-depth-sampler": [
      "2510.14961",
      "Draft at every step of a looped model, refine all recent positions together",
    ],
    "fast-dllm-v2": ["2509.26328", "Decode blocks in parallel by confidence, from a converted model"],
    hamburger: ["2505.20438", "Several tokens a pass, stored as one cache entry"],
  }),
  ...published("architecture", {
    "universal-transformer": [
      "1807.03819",
      "One block applied again and again, with a learned stop per position",
      "works",
    ],
    mor: ["2507.10524", "A shared stack that each token passes one to several times", "works"],
    sret: ["2111.05297", "A vision transformer that runs each block twice, with sliced attention"],
    "duo-llm": ["2410.10846", "A big and a small feed-forward in every layer, and routers between them"],
    blockffn: ["2507.08771", "Many small feed-forward blocks, neighbours switch on the same few"],
    flowformer: ["2202.06258", "Linear attention made selective by flow conservation"],
    lcm: ["2212.08541", "Aggregate a set by a learned operator over a balanced tree"],
    "kimi-linear": ["2510.26692", "Three layers of gated delta rule to one of full attention"],
    rat: ["2507.04416", "A gated recurrence inside chunks, attention over their last states"],
    "h-net": ["2507.07955", "Bytes in, learned chunk boundaries, the big network runs on chunks"],
    lact: ["2505.23884", "A fast-weight network trained on each large chunk while reading"],
    hcam: ["2105.14039", "Attend to chunk summaries first, then in detail inside the chosen few"],
  }),
  ...published("trainer", {
    "seco-spaco": ["2505.16710", "Train on long sequences chunk by chunk, with the memory of one chunk", "works"],
    recut: ["2506.10822", "Shorter correct reasoning by stepwise long and short trials"],
  }),
  ...published("chunker", {
    "meta-chunking": ["2410.12788", "A language model finds the cuts from its surprise", "works", "chunkers"],
    "code-chunking": ["2506.19897", "A language model chooses cuts among syntactic units", "works", "chunkers"],
  }),
  ...published("selector", {
    corag: ["2411.00744", "Tree search over ordered chunk combinations within a token budget", "works", "selectors"],
    meteora: [
      "2505.16014",
      "Select by written rationales, an elbow instead of top-k, a verifier",
      "works",
      "selectors",
    ],
  }),
  ...published("program", {
    "llm-algorithms": [
      "2407.14788",
      "Programs as graphs of calls; formulas choose the size of sub-tasks",
      "works",
      "programs",
    ],
    recode: ["2510.23564", "Plan and act in one program, expanded depth first", "works"],
    "br-rm": ["2510.23596", "A judge that branches to the criteria that matter, then re-reads"],
    "structural-recursion": ["2401.12947", "Does a model compute a recursive function, or a shortcut?", "works"],
  }),
  ...published("structure", {
    slugger: ["2112.05374", "A big graph stored exactly in far fewer edges", "works"],
    "bottom-up-communities": ["2306.00833", "The smallest groups first, then joined into a tree", "works"],
    "polygonal-partitions": ["1009.1866", "A weighted tree as nested convex polygons that never get thin", "works"],
    "dp-continual": ["2112.00828", "Counters published at every moment without exposing anyone", "works"],
  }),
];

/** What a kind's flag is called, for the error that teaches. */
const flags: Record<MethodKind, string> = {
  cache: "--cache",
  engine: "--schedule",
  decoder: "--decoder",
  architecture: "--model",
  trainer: "a training recipe",
  chunker: "--chunker",
  selector: "--selector",
  program: "a command",
  structure: "`quire map`",
};

export interface SelectableParts {
  engine: import("./engine/schedule/planner.js").Schedule;
  cache: import("./cache/policy.js").CachePolicy;
  decoder: import("./decode/decoder.js").Decoder;
  chunker: import("./corpus/chunk/chunker.js").Chunker;
  selector: import("./corpus/select/selector.js").Selector;
  trainer: import("./train/trainer.js").Trainer;
}

export type SelectableKind = keyof SelectableParts;

type Factory<Made> = (options?: never) => Made;
type Loaders = { [Kind in SelectableKind]: Record<string, () => Promise<Factory<SelectableParts[Kind]>>> };

/** Everything that can be chosen by name today: methods that work, and the baselines beside them. */
const loaders: Loaders = {
  engine: {
    sarathi: async () => (await import("./engine/schedule/sarathi.js")).sarathi,
    "whole-prefill": async () => (await import("./engine/schedule/whole-prefill.js")).wholePrefill,
    "prefill-only": async () => (await import("./engine/schedule/prefill-only.js")).prefillOnly,
    "request-level": async () => (await import("./engine/schedule/request-level.js")).requestLevel,
  },
  cache: {
    full: async () => (await import("./cache/full.js")).full,
    window: async () => (await import("./cache/window.js")).window,
    snapkv: async () => (await import("./cache/snapkv.js")).snapkv,
    random: async () => (await import("./cache/random.js")).random,
    h2o: async () => (await import("./cache/h2o.js")).h2o,
    cake: async () => (await import("./cache/cake.js")).cake,
    "lazy-eviction": async () => (await import("./cache/lazy-eviction.js")).lazyEviction,
    chelsea: async () => (await import("./cache/chelsea.js")).chelsea,
    spatten: async () => (await import("./cache/spatten.js")).spatten,
    chunkllm: async () => (await import("./cache/chunkllm.js")).chunkllm,
    longheads: async () => (await import("./cache/longheads.js")).longheads,
  },
  decoder: {
    autoregressive: async () => (await import("./decode/autoregressive.js")).autoregressive,
    "prompt-lookup": async () => (await import("./decode/prompt-lookup.js")).promptLookup,
    chain: async () => (await import("./decode/chain.js")).chain,
    specinfer: async () => (await import("./decode/specinfer.js")).specinfer,
    spectr: async () => (await import("./decode/spectr.js")).spectr,
    "top-k-tree": async () => (await import("./decode/top-k-tree.js")).topKTree,
    rsd: async () => (await import("./decode/rsd.js")).rsd,
    hogwild: async () => (await import("./decode/hogwild.js")).hogwild,
    treepo: async () => (await import("./decode/treepo.js")).treepo,
    independent: async () => (await import("./decode/independent.js")).independent,
  },
  chunker: {
    recursive: async () => (await import("./corpus/chunk/recursive.js")).recursive,
    sentence: async () => (await import("./corpus/chunk/sentence.js")).sentence,
    fixed: async () => (await import("./corpus/chunk/fixed.js")).fixed,
    semantic: async () => (await import("./corpus/chunk/semantic.js")).semantic,
    "meta-chunking": async () => (await import("./corpus/chunk/meta-chunking.js")).metaChunking,
    "code-chunking": async () => (await import("./corpus/chunk/code-chunking.js")).codeChunking,
  },
  selector: {
    hybrid: async () => (await import("./corpus/select/hybrid.js")).hybrid,
    topk: async () => (await import("./corpus/select/topk.js")).topk,
    mmr: async () => (await import("./corpus/select/mmr.js")).mmr,
    rerank: async () => (await import("./corpus/select/rerank.js")).rerank,
    corag: async () => (await import("./corpus/select/corag.js")).corag,
    meteora: async () => (await import("./corpus/select/meteora.js")).meteora,
  },
  trainer: {
    "seco-spaco": async () => (await import("./train/seco-spaco.js")).secoSpaco,
  },
};

export function selectable(kind: SelectableKind): string[] {
  return Object.keys(loaders[kind]);
}

/** What a selectable method says of itself: title, paper, options. */
export async function methodHead(kind: SelectableKind, name: string): Promise<MethodHead> {
  const load = Object.hasOwn(loaders[kind], name) ? loaders[kind][name] : undefined;
  if (load === undefined) throw unknownPart(kind, name);
  return (await load()) as unknown as MethodHead;
}

/** "h2o:budget=0.2", or a part that is ready already, to the part. A name of another kind gets an error that says where it goes. */
export async function partOf<Kind extends SelectableKind>(
  kind: Kind,
  choice: string | SelectableParts[Kind],
): Promise<SelectableParts[Kind]> {
  if (typeof choice !== "string") return mustBeOfKind(kind, choice);
  const { name, options } = parseMethodString(choice);
  const load = loaders[kind][name];
  if (load === undefined || !Object.hasOwn(loaders[kind], name)) throw unknownPart(kind, name);
  const factory = (await load()) as Factory<SelectableParts[Kind]>;
  return factory(options as never);
}

function mustBeOfKind<Kind extends SelectableKind>(kind: Kind, part: SelectableParts[Kind]): SelectableParts[Kind] {
  if ((part as Part).kind === kind) return part;
  throw new QuireError("bad-option", `${(part as Part).name} is of the kind ${(part as Part).kind}.`, {
    expected: `a ${kind}`,
  });
}

function unknownPart(kind: SelectableKind, name: string): QuireError {
  const known = selectable(kind);
  const row = methods.find((method) => method.name === name);
  const elsewhere = (Object.keys(loaders) as SelectableKind[]).find((other) => Object.hasOwn(loaders[other], name));
  if (row?.kind === kind) {
    return new QuireError("unsupported", `${name} is planned and does not work yet.`, {
      got: name,
      expected: known.join(", "),
    });
  }
  const otherKind = row?.kind ?? elsewhere;
  if (otherKind !== undefined) {
    const article = /^[aeiou]/.test(otherKind) ? "an" : "a";
    return new QuireError(
      "bad-option",
      `${name} is ${article} ${otherKind} (choose it with ${flags[otherKind]}), not a ${kind}.`,
      {
        got: name,
        expected: known.join(", "),
      },
    );
  }
  return new QuireError("bad-option", `There is no ${kind} called ${name}.`, {
    got: name,
    expected: known.join(", "),
    fix: suggestion(nearest(name, known)),
  });
}
