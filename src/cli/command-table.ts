import type { Command } from "commander";

/** All commands. Only the one that is called is loaded, so help comes at once. */

export interface CommandEntry {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  load(): Promise<{ define(command: Command): void }>;
}

export const commandTable: readonly CommandEntry[] = [
  {
    name: "ask",
    usage: '<folder> "<question>" [options]',
    summary: "answer a question from a folder, with citations",
    load: () => import("./commands/ask.js"),
  },
  {
    name: "read",
    usage: '<path> "<instruction>" [options]',
    summary: "read everything, however long, and do what is asked",
    load: () => import("./commands/read.js"),
  },
  {
    name: "do",
    usage: '"<task>" <folder> [options]',
    summary: "plan and act over a folder until a task is done",
    load: () => import("./commands/do.js"),
  },
  {
    name: "chat",
    usage: "[message] [options]",
    summary: "talk with a model",
    load: () => import("./commands/chat.js"),
  },
  {
    name: "complete",
    usage: '"<text>" [options]',
    summary: "go on with a text",
    load: () => import("./commands/complete.js"),
  },
  {
    name: "embed",
    usage: "[text...] [options]",
    summary: "turn texts into vectors",
    load: () => import("./commands/embed.js"),
  },
  {
    name: "index",
    usage: "<folder> [options]",
    summary: "bring the index of a folder up to date",
    load: () => import("./commands/index-folder.js"),
  },
  {
    name: "search",
    usage: '<folder> "<query>" [options]',
    summary: "find passages by words and meaning",
    load: () => import("./commands/search.js"),
  },
  {
    name: "map",
    usage: "<folder> [options]",
    summary: "see what a folder is about: topics inside topics",
    load: () => import("./commands/map.js"),
  },
  {
    name: "serve",
    usage: "[options]",
    summary: "an OpenAI-compatible server and a page",
    load: () => import("./commands/serve.js"),
  },
  {
    name: "worker",
    usage: "--queue <address> [options]",
    summary: "work on the jobs of a queue, beside others",
    load: () => import("./commands/worker.js"),
  },
  {
    name: "jobs",
    usage: "list|show|cancel|add --queue <address> [options]",
    summary: "jobs that many machines work on",
    load: () => import("./commands/jobs.js"),
  },
  {
    name: "keys",
    usage: "add|list|rm [options]",
    summary: "API keys for the server",
    load: () => import("./commands/keys.js"),
  },
  {
    name: "mcp",
    usage: "<folder> [options]",
    summary: "offer a folder to other programs as MCP tools",
    load: () => import("./commands/mcp.js"),
  },
  {
    name: "models",
    usage: "list|pull|rm|path|check [options]",
    summary: "list, fetch, remove and check models",
    load: () => import("./commands/models.js"),
  },
  {
    name: "train",
    usage: "<recipe> [options]",
    summary: "train a model after a recipe",
    load: () => import("./commands/train.js"),
  },
  {
    name: "methods",
    usage: "[options]",
    summary: "the catalogue of methods",
    load: () => import("./commands/methods.js"),
  },
  {
    name: "cache",
    usage: "inspect <text> [options]",
    summary: "see which tokens a cache policy keeps",
    load: () => import("./commands/cache.js"),
  },
  {
    name: "bench",
    usage: "[name] [options]",
    summary: "measure speed beside the alternatives",
    load: () => import("./commands/bench.js"),
  },
  {
    name: "eval",
    usage: "[name] [options]",
    summary: "measure quality",
    load: () => import("./commands/eval.js"),
  },
  {
    name: "doctor",
    usage: "[options]",
    summary: "what this machine has, and what is missing",
    load: () => import("./commands/doctor.js"),
  },
];
