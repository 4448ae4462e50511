import type { Bench } from "./lib/report.js";

/** Every bench by its name. Each is loaded only when it runs, so that a missing rival stops only its own. */
export const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  decode: async () => (await import("./decode/decode.js")).decode,
  train: async () => (await import("./train/train.js")).trainBench,
  load: async () => (await import("./load/load.js")).load,
  decoders: async () => (await import("./decoders/decoders.js")).decodersBench,
  embed: async () => (await import("./embed-bench.js")).embed,
  sarathi: async () => (await import("./serve/sarathi.js")).sarathiBench,
  serve: async () => (await import("./serve/serve.js")).serve,
  search: async () => (await import("./search/search.js")).search,
  cache: async () => (await import("./cache/cache.js")).cacheBench,
  chunkers: async () => (await import("./chunk/chunkers.js")).chunkersBench,
  "cache-perplexity": async () => (await import("./cache/cache.js")).cachePerplexityBench,
  "cache-reading": async () => (await import("./cache/reading.js")).cacheReadingBench,
  longheads: async () => (await import("./cache/longheads.js")).longheadsBench,
  recode: async () => (await import("./recode/recode.js")).recodeBench,
  ask: async () => (await import("./eval-ask.js")).evalAsk,
  selectors: async () => (await import("./selectors/selectors.js")).selectorsBench,
  programs: async () => (await import("./programs/programs.js")).programsBench,
  "structural-recursion": async () =>
    (await import("./structural-recursion/structural-recursion.js")).structuralRecursionBench,
  "polygonal-partitions": async () => (await import("./structure/polygonal-partitions.js")).polygonalPartitionsBench,
  "dp-continual": async () => (await import("./structure/dp-continual.js")).dpContinualBench,
  slugger: async () => (await import("./structure/slugger.js")).sluggerBench,
  map: async () => (await import("./structure/corpus-map.js")).corpusMapBench,
  "bottom-up-communities": async () => (await import("./structure/bottom-up-communities.js")).bottomUpCommunitiesBench,
  hogwild: async () => (await import("./hogwild/hogwild.js")).hogwildBench,
  treepo: async () => (await import("./treepo/treepo.js")).treepoBench,
  "universal-transformer": async () =>
    (await import("./universal-transformer/universal-transformer.js")).universalTransformerBench,
  "seco-spaco": async () => (await import("./seco-spaco/seco-spaco.js")).secoSpacoBench,
  mor: async () => (await import("./mor/mor.js")).morBench,
};
