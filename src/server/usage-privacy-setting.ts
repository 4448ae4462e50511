import { nearest, QuireError } from "../errors.js";

/** What `--usage-privacy epsilon=1,horizon=365d` says. */
export interface UsagePrivacySetting {
  readonly epsilon: number;
  readonly delta: number;
  /** Ticks of a window, and their length: figures move once a tick. */
  readonly ticks: number;
  readonly tickMs: number;
  /** What is hidden: one request, or all requests of a user in a window. */
  readonly unit: "event" | "user";
  /** unit=user: requests of a user that count, per window. */
  readonly perUser: number;
  /** Tokens of a request that count, at most. */
  readonly tokens: number;
}

const keys = ["epsilon", "delta", "horizon", "tick", "unit", "per-user", "tokens"] as const;
const unitsMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const mostTicks = 2 ** 20;

export function parseUsagePrivacy(text: string): UsagePrivacySetting {
  const given = new Map<string, string>();
  for (const part of text.split(",").map((piece) => piece.trim())) {
    if (part === "") continue;
    const [key = "", value = ""] = part.split("=", 2).map((side) => side.trim());
    if (!(keys as readonly string[]).includes(key)) {
      const [near] = nearest(key, keys);
      throw wrong(`"${key}" is no setting of --usage-privacy.`, key, keys.join(", "), near && `Did you mean ${near}?`);
    }
    if (given.has(key)) throw wrong(`${key} is given twice.`, text, "each setting once");
    given.set(key, value);
  }
  const epsilon = number(
    given,
    "epsilon",
    1,
    (value) => value > 0 && value <= 10,
    "above 0, at most 10; 0.1 to 4 is usual",
  );
  const delta = number(
    given,
    "delta",
    1e-6,
    (value) => value >= 0 && value < 0.01,
    "0, or below 0.01 and below 1 / users",
  );
  const horizonMs = duration(given, "horizon", "365d");
  const tickMs = duration(given, "tick", "1h");
  const ticks = Math.floor(horizonMs / tickMs);
  if (ticks < 1 || ticks > mostTicks) {
    throw wrong("The horizon does not suit the tick.", `${ticks} ticks`, `1 to ${mostTicks} ticks in the horizon`);
  }
  const unit = given.get("unit") ?? "event";
  if (unit !== "event" && unit !== "user") throw wrong(`unit cannot be "${unit}".`, unit, "event or user");
  const whole = (value: number) => Number.isSafeInteger(value) && value >= 1;
  if (unit === "event" && given.has("per-user"))
    throw wrong("per-user needs unit=user.", text, "unit=user,per-user=1000");
  return {
    epsilon,
    delta,
    ticks,
    tickMs,
    unit,
    perUser: number(given, "per-user", 1000, whole, "a whole number of at least 1"),
    tokens: number(
      given,
      "tokens",
      8192,
      (value) => whole(value) && value <= 1e7,
      "a whole number from 1 to 10,000,000",
    ),
  };
}

function number(
  given: ReadonlyMap<string, string>,
  key: string,
  otherwise: number,
  fits: (value: number) => boolean,
  expected: string,
): number {
  const text = given.get(key);
  if (text === undefined) return otherwise;
  const value = text === "" ? Number.NaN : Number(text);
  if (!fits(value)) throw wrong(`${key} cannot be "${text}".`, text, expected);
  return value;
}

function duration(given: ReadonlyMap<string, string>, key: string, otherwise: string): number {
  const text = given.get(key) ?? otherwise;
  const [, amount = "", unit = ""] = /^(\d+(?:\.\d+)?)([mhdw])$/.exec(text) ?? [];
  const value = Number(amount) * (unitsMs[unit] ?? Number.NaN);
  if (!(value > 0)) throw wrong(`${key} cannot be "${text}".`, text, "a duration such as 30m, 24h, 365d or 52w");
  return value;
}

function wrong(message: string, got: unknown, expected: string, fix?: string): QuireError {
  return new QuireError("bad-option", message, { got, expected, fix });
}
