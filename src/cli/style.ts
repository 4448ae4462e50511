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
