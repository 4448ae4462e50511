/** Colours of the top topics. Told apart by people who see red and green alike as well (after Okabe and Ito), in the order in which
 *  neighbours in the list differ most; the ninth topic begins again. Lightness tells siblings apart, never the topic. */

export interface Rgb {
  readonly r: number;
  readonly g: number;
  readonly b: number;
}

const base = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b0a000", "#7f6bb3"];
/** What is in no topic. */
const grey = "#8a8a8a";

export function topicColour(index: number, unlinked = false): Rgb {
  return parseHex(unlinked ? grey : base[index % base.length]!);
}

/** Share 0 = the colour, 1 = the other. */
export function mixed(colour: Rgb, other: Rgb, share: number): Rgb {
  const mix = (a: number, b: number) => Math.round(a + (b - a) * share);
  return { r: mix(colour.r, other.r), g: mix(colour.g, other.g), b: mix(colour.b, other.b) };
}

export const white: Rgb = { r: 255, g: 255, b: 255 };
export const night: Rgb = { r: 24, g: 26, b: 31 };

export function css({ r, g, b }: Rgb): string {
  return `#${[r, g, b].map((channel) => channel.toString(16).padStart(2, "0")).join("")}`;
}

/** How much lighter the i-th of several siblings is; neighbours differ, and none is so dark that black words cannot be read. */
export function siblingTint(i: number, of: number): number {
  if (of < 2) return 0.5;
  const step = (i * 2) % of < of && of % 2 === 0 ? ((i * 2) % of) + (i * 2 >= of ? 1 : 0) : (i * 2) % of;
  return 0.36 + (0.32 * step) / (of - 1);
}

function parseHex(hex: string): Rgb {
  const channel = (at: number) => Number.parseInt(hex.slice(at, at + 2), 16);
  return { r: channel(1), g: channel(3), b: channel(5) };
}
