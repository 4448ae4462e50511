/** Colours of the terminal, off where the stream is no terminal, the terminal is dumb, or NO_COLOR is set. */

const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

export type Style = Record<keyof typeof codes, (text: string) => string>;

interface Target {
  readonly isTTY?: boolean;
}

export function hasColour(target: Target, env: NodeJS.ProcessEnv = process.env): boolean {
  if (env["NO_COLOR"]) return false;
  if (env["FORCE_COLOR"]) return env["FORCE_COLOR"] !== "0";
  return target.isTTY === true && env["TERM"] !== "dumb";
}

export function styleFor(target: Target, env: NodeJS.ProcessEnv = process.env): Style {
  const on = hasColour(target, env);
  const painted = Object.entries(codes).map(([name, [open, close]]) => [
    name,
    (text: string) => (on && text !== "" ? `\u001b[${open}m${text}\u001b[${close}m` : text),
  ]);
  return Object.fromEntries(painted) as Style;
}

/** Text on a ground from black (0) to green (1), where there is colour. */
export function shade(text: string, share: number, target: Target = process.stdout): string {
  if (!hasColour(target)) return text;
  const ground =
    share === 0 ? "\u001b[2m" : `\u001b[97;48;2;0;${Math.round(40 + 90 * share)};${Math.round(30 + 50 * share)}m`;
  return text
    .split("\n")
    .map((line) => (line === "" ? "" : `${ground}${line}\u001b[0m`))
    .join("\n");
}
