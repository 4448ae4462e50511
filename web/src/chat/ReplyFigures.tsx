import { bytes, counted, duration, whole } from "../ui/amounts.js";
import type { ReplyStats } from "./conversations.js";

/** What a reply took: tokens, speed, how much of the prompt was there already, and what the server adds. */
export function ReplyFigures({ stats }: { stats: ReplyStats }) {
  const { completionTokens, promptTokens, cachedTokens, first, whole: took } = stats;
  const writingSeconds = first === undefined || took === undefined ? undefined : (took - first) / 1000;
  const short = [
    completionTokens === undefined ? undefined : counted(completionTokens, "token"),
    completionTokens === undefined || completionTokens < 2 || !writingSeconds
      ? undefined
      : `${((completionTokens - 1) / writingSeconds).toFixed(1)} per second`,
  ].filter((part) => part !== undefined);
  const rows: [string, string][] = [
    ["Model", stats.model],
    ...(promptTokens === undefined ? [] : [["Prompt", counted(promptTokens, "token")] as [string, string]]),
    ...(cachedTokens ? [["Already in memory", counted(cachedTokens, "token")] as [string, string]] : []),
    ...(first === undefined ? [] : [["First text after", duration(first / 1000)] as [string, string]]),
    ...(took === undefined ? [] : [["All of it after", duration(took / 1000)] as [string, string]]),
    ...(stats.cache === undefined ? [] : [["Cache policy", stats.cache] as [string, string]]),
    ...(stats.decoder === undefined ? [] : [["Decoder", stats.decoder] as [string, string]]),
    ...flat(stats.details ?? {}),
  ];
  return (
    <details className="reply-figures">
      <summary className="figure">{short.length === 0 ? "Figures" : short.join(" · ")}</summary>
      <dl className="reply-figures-list">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd className="figure">{value}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

/** Counted here already, or said by other words. */
const known = new Set(["cached_tokens", "seconds", "seconds_to_first_token", "stats"]);

function flat(details: Readonly<Record<string, unknown>>, before = ""): [string, string][] {
  return Object.entries(details).flatMap(([key, value]): [string, string][] => {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return flat(value as Record<string, unknown>, key === "stats" ? before : `${before}${key} `);
    }
    if (known.has(key) || value === null || value === undefined || value === "") return [];
    const name = `${before}${key.replaceAll("_", " ")}`;
    return [[name.charAt(0).toUpperCase() + name.slice(1), figure(key, value)]];
  });
}

function figure(key: string, value: unknown): string {
  if (typeof value !== "number") return String(value);
  return key.endsWith("bytes") ? bytes(value) : whole(Math.round(value * 1000) / 1000);
}
