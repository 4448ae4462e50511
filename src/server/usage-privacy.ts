import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { diskError } from "../corpus/file-problem.js";
import { QuireError } from "../errors.js";
import { type ByteSource, dpContinual, PrivacyLedger, type PrivateCounters } from "../structure/dp-continual.js";
import type { UsagePrivacySetting } from "./usage-privacy-setting.js";

/** Usage figures that hide every single request (or every user): requests and tokens by tenant, requests by document, as running
 *  counts with noise, by `dp-continual`. The three share one budget. State lies in one file, written before anything drawn from it is
 *  shown, so that a restart neither loses the counts nor spends the budget twice. */

export interface UsageEvent {
  /** 0 = the request is counted elsewhere. Default 1. */
  readonly requests?: 0 | 1;
  /** Whose requests are counted together; what was not announced counts as "others". */
  readonly tenant?: string;
  /** Prompt and answer together. */
  readonly tokens?: number;
  /** Of the documents an answer rests on, the first that is announced counts. */
  readonly documents?: readonly string[];
}

export interface UsageFigure {
  readonly name: string;
  readonly value: number;
  /** 95% of values are nearer to the true count than this. */
  readonly error95: number;
}

export interface UsageReport {
  readonly epsilon: number;
  readonly delta: number;
  readonly unit: UsagePrivacySetting["unit"];
  /** In words, for the page that shows the figures. */
  readonly promise: string;
  readonly window: { readonly start: string; readonly end: string; readonly asOf: string };
  readonly requests: readonly UsageFigure[];
  readonly tokens: readonly UsageFigure[];
  /** Most used first. */
  readonly documents: readonly UsageFigure[];
}

export interface UsagePrivacyOptions {
  /** Where the state lies; keep it as secret as the requests. */
  readonly folder: string;
  readonly setting: UsagePrivacySetting;
  /** Announced when a window begins; names that come later count as "others" until the next. */
  readonly tenants: readonly string[];
  readonly documents: readonly string[];
  /** Milliseconds; default the system's clock. */
  now?(): number;
  /** Default the system's secure source; others are for tests. */
  readonly bytes?: ByteSource;
}

export interface UsagePrivacy {
  record(user: string, event: UsageEvent): void;
  report(): UsageReport;
  /** Writes what came since the last tick. */
  flush(): void;
  close(): void;
}

export const others = "others";
const counterNames = ["requests", "tokens", "documents"] as const;
type CounterName = (typeof counterNames)[number];

const mostLabels = 1000;
/** Tokens are counted in steps, so that the noise is of the size of the steps and the file stays small. */
const tokenStep = 64;
const flushEveryMs = 30_000;
const fileName = "usage-privacy.json";

const stateSchema = z.object({
  format: z.literal(1),
  setting: z.record(z.string(), z.union([z.string(), z.number()])),
  started: z.number(),
  labels: z.object({ requests: z.array(z.string()), tokens: z.array(z.string()), documents: z.array(z.string()) }),
  counters: z.object({ requests: z.string(), tokens: z.string(), documents: z.string() }),
});
type State = z.infer<typeof stateSchema>;

interface Window {
  readonly started: number;
  readonly labels: State["labels"];
  readonly counters: Readonly<Record<CounterName, PrivateCounters>>;
}

export function openUsagePrivacy(options: UsagePrivacyOptions): UsagePrivacy {
  const { folder, setting, now = Date.now } = options;
  const path = join(folder, fileName);
  const horizonMs = setting.ticks * setting.tickMs;
  mkdir(folder);
  let held: Record<CounterName, string> | undefined;
  let window = current(readState(path, setting));
  let flushed = now();

  /** The window that runs now. Ticks go on while the server was down; a clock that goes back stands still. */
  function current(state: State | undefined): Window {
    if (state !== undefined && now() < state.started + horizonMs) return openWindow(state.started, state.labels, state);
    const tenants = announced(options.tenants);
    return openWindow(now(), { requests: tenants, tokens: tenants, documents: announced(options.documents) });
  }

  function openWindow(started: number, labels: State["labels"], state?: State): Window {
    held = undefined;
    const ledger = new PrivacyLedger({ epsilon: setting.epsilon, delta: setting.delta });
    const saved: Partial<Record<CounterName, string>> = {};
    const start = (name: CounterName): PrivateCounters => {
      // A third of the budget each: together they promise what was asked for.
      const part = { epsilon: setting.epsilon / 3, delta: setting.delta / 3 };
      const user = setting.unit === "user" ? { unit: "user" as const, maxPerUser: setting.perUser } : {};
      const maxPerEvent = name === "tokens" ? Math.ceil(setting.tokens / tokenStep) : 1;
      return dpContinual({ ...part, ...user, horizon: setting.ticks, mechanism: "tree", maxPerEvent, k: 20 }).build({
        labels: labels[name],
        window: `${name} ${started}`,
        at: started,
        ledger,
        resume: state?.counters[name],
        bytes: options.bytes,
        persist(text) {
          saved[name] = text;
          if (held === undefined) return;
          held[name] = text;
          writeState(path, { format: 1, setting: plain(setting), started, labels, counters: held });
        },
      });
    };
    const counters = { requests: start("requests"), tokens: start("tokens"), documents: start("documents") };
    // All three are written at once: a window with only some of its states could not go on.
    held = {
      requests: saved.requests ?? counters.requests.state(),
      tokens: saved.tokens ?? counters.tokens.state(),
      documents: saved.documents ?? counters.documents.state(),
    };
    writeState(path, { format: 1, setting: plain(setting), started, labels, counters: held });
    return { started, labels, counters };
  }

  function advance(): Window {
    if (now() >= window.started + horizonMs) window = current(undefined);
    const due = Math.floor((now() - window.started) / setting.tickMs);
    for (const name of counterNames) {
      const counter = window.counters[name];
      if (due > counter.ticks) counter.advanceTo(Math.min(due, setting.ticks));
    }
    return window;
  }

  function flush(): void {
    const { started, labels, counters } = window;
    held = {
      requests: counters.requests.state(),
      tokens: counters.tokens.state(),
      documents: counters.documents.state(),
    };
    writeState(path, { format: 1, setting: plain(setting), started, labels, counters: held });
    flushed = now();
  }

  return {
    record(user, { requests = 1, tenant, tokens = 0, documents = [] }) {
      const { counters, labels } = advance();
      if (counters.requests.ticks >= setting.ticks) return;
      const label = tenant !== undefined && labels.requests.includes(tenant) ? tenant : others;
      if (requests === 1) counters.requests.observe({ label, user });
      const amount = Math.round(Math.max(0, Number.isFinite(tokens) ? tokens : 0) / tokenStep);
      if (amount > 0) counters.tokens.observe({ label, user, amount });
      const known = new Set(labels.documents);
      if (documents.length > 0)
        counters.documents.observe({ label: documents.find((name) => known.has(name)) ?? others, user });
      if (now() - flushed > flushEveryMs) {
        flushed = now();
        try {
          flush();
        } catch {
          // A request is not lost over this: the report writes again, and says what is wrong.
        }
      }
    },
    report() {
      const { started, counters } = advance();
      const figures = (name: CounterName, scale = 1): UsageFigure[] =>
        counters[name].counts().map(({ label, value, error95 }) => ({
          name: label,
          value: value * scale,
          error95: Math.ceil(error95 * scale),
        }));
      const iso = (at: number) => new Date(at).toISOString();
      return {
        epsilon: setting.epsilon,
        delta: setting.delta,
        unit: setting.unit,
        promise: promiseOf(setting),
        window: {
          start: iso(started),
          end: iso(started + horizonMs),
          asOf: iso(started + counters.requests.ticks * setting.tickMs),
        },
        requests: figures("requests"),
        tokens: figures("tokens", tokenStep),
        documents: figures("documents")
          .sort((a, b) => b.value - a.value)
          .slice(0, 20),
      };
    },
    flush,
    close: flush,
  };
}

/** Lines of a Prometheus page: gauges, because noise is in them and a window ends. */
export function usageMetrics(report: UsageReport): string {
  const lines: string[] = [];
  const family = (name: string, help: string, label: string, figures: readonly UsageFigure[]) => {
    for (const [suffix, what, of] of [
      ["", help, (figure: UsageFigure) => figure.value],
      ["_error95", `${help} 95% of values are nearer to the count than this.`, (figure: UsageFigure) => figure.error95],
    ] as const) {
      lines.push(`# HELP ${name}${suffix} ${what}`, `# TYPE ${name}${suffix} gauge`);
      for (const figure of figures) lines.push(`${name}${suffix}{${label}="${escaped(figure.name)}"} ${of(figure)}`);
    }
  };
  family("quire_usage_requests", "Requests in this window, with noise.", "tenant", report.requests);
  family("quire_usage_tokens", "Tokens in this window, with noise.", "tenant", report.tokens);
  family("quire_usage_documents", "Answers that rest on a document, with noise.", "document", report.documents);
  lines.push("# TYPE quire_usage_epsilon gauge", `quire_usage_epsilon ${report.epsilon}`);
  return `${lines.join("\n")}\n`;
}

function escaped(label: string): string {
  return label.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}

function promiseOf({ epsilon, delta, unit, perUser, ticks, tickMs }: UsagePrivacySetting): string {
  const days = (ticks * tickMs) / 86_400_000;
  const hidden =
    unit === "event" ? "any one request" : `all requests of any one user (up to ${perUser} a window count)`;
  return `Over ${Number(days.toFixed(2))} days these figures hide ${hidden}: epsilon ${epsilon}, delta ${delta}.`;
}

function announced(names: readonly string[]): string[] {
  const clean = [...new Set(names)].filter((name) => name !== "" && name !== others && !name.includes("\n"));
  return [...clean.slice(0, mostLabels), others];
}

function plain({ ...setting }: UsagePrivacySetting): State["setting"] {
  return setting;
}

function mkdir(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    throw diskError(`${folder} cannot be made`, cause);
  }
}

function readState(path: string, setting: UsagePrivacySetting): State | undefined {
  if (!existsSync(path)) return undefined;
  let state: State;
  try {
    state = stateSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new QuireError("bad-file", `The state of the private usage figures, ${path}, is damaged.`, {
      got: path,
      expected: "the file as it was written",
      fix: "Restore it, or move it away: that begins a new window, which spends the budget again.",
      cause,
    });
  }
  const asked = plain(setting);
  const changed = Object.keys(asked).find((key) => state.setting[key] !== asked[key]);
  if (changed === undefined) return state;
  throw new QuireError("bad-option", `The private usage figures were begun with another ${changed}.`, {
    got: asked[changed],
    expected: state.setting[changed],
    fix: `Keep the setting, or move ${path} away: that begins a new window, which spends a budget of its own.`,
  });
}

/** On the disk before it returns: what is shown next may never be drawn again. */
function writeState(path: string, state: State): void {
  const temporary = `${path}.new`;
  try {
    const file = openSync(temporary, "w", 0o600);
    try {
      writeSync(file, JSON.stringify(state));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (cause) {
    throw diskError(`${path} cannot be written`, cause);
  }
}
