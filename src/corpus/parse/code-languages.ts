/** Which grammar reads which source files, and which of its nodes are definitions. */

export interface CodeLanguage {
  readonly name: string;
  /** File name of the grammar, without "tree-sitter-" and ".wasm". */
  readonly grammar: string;
  readonly definitions: ReadonlySet<string>;
}

const words = (text: string): ReadonlySet<string> => new Set(text.split(" "));

const ecmascript = words(
  "function_declaration generator_function_declaration class_declaration abstract_class_declaration method_definition " +
    "interface_declaration type_alias_declaration enum_declaration internal_module module function_signature lexical_declaration",
);
const cFamily = words(
  "function_definition struct_specifier class_specifier enum_specifier union_specifier namespace_definition type_definition",
);

const languages = {
  typescript: { grammar: "typescript", definitions: ecmascript },
  tsx: { grammar: "tsx", definitions: ecmascript },
  javascript: { grammar: "javascript", definitions: ecmascript },
  python: { grammar: "python", definitions: words("function_definition class_definition") },
  rust: {
    grammar: "rust",
    definitions: words("function_item struct_item enum_item trait_item impl_item mod_item macro_definition union_item"),
  },
  go: { grammar: "go", definitions: words("function_declaration method_declaration type_declaration") },
  java: {
    grammar: "java",
    definitions: words(
      "class_declaration interface_declaration enum_declaration record_declaration method_declaration constructor_declaration",
    ),
  },
  c: { grammar: "c", definitions: cFamily },
  cpp: { grammar: "cpp", definitions: cFamily },
  csharp: {
    grammar: "c_sharp",
    definitions: words(
      "class_declaration interface_declaration struct_declaration enum_declaration record_declaration method_declaration " +
        "constructor_declaration namespace_declaration",
    ),
  },
  ruby: { grammar: "ruby", definitions: words("class module method singleton_method") },
  php: {
    grammar: "php",
    definitions: words(
      "class_declaration interface_declaration trait_declaration enum_declaration method_declaration function_definition",
    ),
  },
  bash: { grammar: "bash", definitions: words("function_definition") },
  lua: { grammar: "lua", definitions: words("function_declaration function_definition_statement local_function") },
  kotlin: { grammar: "kotlin", definitions: words("class_declaration object_declaration function_declaration") },
  swift: { grammar: "swift", definitions: words("class_declaration protocol_declaration function_declaration") },
  scala: {
    grammar: "scala",
    definitions: words("class_definition object_definition trait_definition function_definition"),
  },
} as const satisfies Record<string, Omit<CodeLanguage, "name">>;

type LanguageName = keyof typeof languages;

const byExtension: Readonly<Record<string, LanguageName>> = {
  ts: "typescript",
  mts: "typescript",
  cts: "typescript",
  tsx: "tsx",
  js: "javascript",
  mjs: "javascript",
  cjs: "javascript",
  jsx: "javascript",
  py: "python",
  pyi: "python",
  rs: "rust",
  go: "go",
  java: "java",
  c: "c",
  h: "c",
  cc: "cpp",
  cpp: "cpp",
  cxx: "cpp",
  hpp: "cpp",
  hh: "cpp",
  cu: "cpp",
  cs: "csharp",
  rb: "ruby",
  php: "php",
  sh: "bash",
  bash: "bash",
  lua: "lua",
  kt: "kotlin",
  kts: "kotlin",
  swift: "swift",
  scala: "scala",
};

/** Source code without a grammar here: its definitions are found by their first words. */
const otherCode: ReadonlySet<string> = words(
  "pl pm r jl hs ml mli ex exs erl clj dart zig nim d pas f f90 f95 for m mm sql ps1 psm1 bat cmd vim el lisp scm tcl groovy gradle " +
    "cmake mk proto thrift graphql tf v sv vhd vhdl asm s awk fs fsx vb svelte vue css scss less",
);

export function codeLanguage(extension: string): CodeLanguage | undefined {
  const name = byExtension[extension];
  return name === undefined ? undefined : { name, ...languages[name] };
}

export function isCode(extension: string): boolean {
  return extension in byExtension || otherCode.has(extension);
}
