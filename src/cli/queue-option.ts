import { Option } from "commander";

/** `--queue`, for commands that cannot do without one. */
export function queueOption(): Option {
  return new Option("--queue <address>", "Redis or Valkey that holds the jobs")
    .default("redis://127.0.0.1:6379")
    .env("QUIRE_QUEUE");
}
