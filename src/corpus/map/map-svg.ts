/** The map as a picture to print: A4 across, regions in the colours of their top topics, names where they fit, a legend beside. */

import { estimatedWidth, fitLabel, lineHeight } from "./label-fit.js";
import { css, mixed, siblingTint, topicColour, white } from "./map-colours.js";
import { layOutChildren } from "./map-layout.js";
import type { MapNode } from "./map-node.js";

export interface MapSvgOptions {
  readonly title: string;
  /** Line below the title. */
  readonly subtitle?: string;
  /** Levels of topics that are drawn; default all, and chunks as fine lines. */
  readonly depth?: number;
}

const page = { width: 1485, height: 1050, margin: 36 };
const mapBox = { x: 36, y: 104, width: 1064, height: 898 };
const legend = { x: 1130, width: 319 };
/** Smallest lettering, in units of a page 297 mm wide: 2.2 mm, about 6 points. */
const smallest = 10.5;
const largest = 30;
const fontFamily = "Inter, 'Helvetica Neue', Helvetica, Arial, sans-serif";

interface Region {
  readonly node: MapNode;
  readonly polygon: ArrayLike<number>;
  readonly depth: number;
  readonly top: number;
  readonly fill: string;
  readonly children: Region[];
}

export function mapSvg(root: MapNode, { title, subtitle, depth = 99 }: MapSvgOptions): string {
  const { x, y, width, height } = mapBox;
  const shape = [x, y, x + width, y, x + width, y + height, x, y + height];
  const regions = layOut(root, shape, depth);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${page.width} ${page.height}" width="297mm" height="210mm" role="img" aria-labelledby="map-title" font-family="${fontFamily}">`,
    `<title id="map-title">${escaped(title)}</title>`,
    `<desc>${escaped(description(root))}</desc>`,
    `<rect width="${page.width}" height="${page.height}" fill="#fff"/>`,
    `<text x="${page.margin}" y="58" font-size="32" font-weight="700" fill="#111">${escaped(shortened(title, 70))}</text>`,
    subtitle === undefined
      ? ""
      : `<text x="${page.margin}" y="86" font-size="16" fill="#555">${escaped(shortened(subtitle, 170))}</text>`,
    ...drawn(regions),
    ...outlines(regions),
    ...labels(regions),
    ...legendOf(root),
    `<text x="${page.margin}" y="${page.height - 18}" font-size="12" fill="#777">Area is amount of text. Colour is the topic of the legend; lightness only tells neighbours apart.</text>`,
    "</svg>",
  ];
  return `${parts.filter((part) => part !== "").join("\n")}\n`;
}

/** Square units that chunks and topics need each, to be drawn by themselves. */
const leastArea = { chunk: 14, topic: 120 };

function layOut(root: MapNode, shape: readonly number[], depth: number): Region {
  const whole: Region = { node: root, polygon: shape, depth: 0, top: -1, fill: "#f4f4f4", children: [] };
  const open = [whole];
  for (let at = 0; at < open.length; at++) {
    const region = open[at]!;
    const children = region.node.children ?? [];
    const least = children[0]?.chunk === undefined ? leastArea.topic : leastArea.chunk;
    if (region.depth >= depth || area(region.polygon) < least * children.length) continue;
    for (const { index, polygon } of layOutChildren(
      region.polygon,
      children.map(({ size }) => size),
    )) {
      const node = children[index]!;
      const top = region.depth === 0 ? index : region.top;
      const unlinked = top >= 0 && root.children?.[top]?.name === "Unlinked";
      const tint = region.depth === 0 ? 0.5 : siblingTint(index, children.length);
      const fill =
        node.chunk === undefined || region.depth === 0
          ? css(mixed(topicColour(top, unlinked), white, tint))
          : region.fill;
      const child: Region = { node, polygon, depth: region.depth + 1, top, fill, children: [] };
      region.children.push(child);
      open.push(child);
    }
  }
  return whole;
}

function* every(region: Region): Generator<Region> {
  yield region;
  for (const child of region.children) yield* every(child);
}

function drawn(root: Region): string[] {
  const parts: string[] = [];
  for (const region of every(root)) {
    const isLeafTopic =
      region.node.chunk === undefined && region.children.every(({ node }) => node.chunk !== undefined);
    const filled = region.depth > 0 && (isLeafTopic || (region.node.chunk !== undefined && region.depth === 1));
    if (filled) parts.push(`<polygon points="${corners(region.polygon)}" fill="${region.fill}"/>`);
  }
  const cells: string[] = [];
  for (const { node, polygon } of every(root)) if (node.chunk !== undefined) cells.push(path(polygon));
  if (cells.length > 0) {
    parts.push(`<path d="${cells.join("")}" fill="none" stroke="#fff" stroke-opacity="0.55" stroke-width="0.8"/>`);
  }
  return parts;
}

/** Lines of large topics lie over those of small. */
function outlines(root: Region): string[] {
  const topics = [...every(root)].filter(({ node, depth }) => node.chunk === undefined && depth > 0);
  return topics
    .sort((a, b) => b.depth - a.depth)
    .map(({ polygon, depth }) => {
      const strength = [0, 7, 3, 1.8][depth] ?? 1.2;
      return `<polygon points="${corners(polygon)}" fill="none" stroke="#fff" stroke-width="${strength}" stroke-linejoin="round"/>`;
    });
}

/** A topic's parts are named where most of them have room; else the topic itself. */
function labels(root: Region): string[] {
  const parts: string[] = [];
  const name = (region: Region): string | undefined => {
    const most = region.depth <= 1 ? largest : 22;
    const fitted = fitLabel(region.polygon, region.node.name, estimatedWidth, { least: smallest, most });
    if (fitted === undefined) return undefined;
    const { x, y, font, lines } = fitted;
    const first = y - ((lines.length - 1) * lineHeight * font) / 2 + font * 0.35;
    const spans = lines.map(
      (line, i) =>
        `<tspan x="${x.toFixed(1)}" y="${(first + i * lineHeight * font).toFixed(1)}">${escaped(line)}</tspan>`,
    );
    return `<text font-size="${font.toFixed(1)}" text-anchor="middle" fill="#111">${spans.join("")}</text>`;
  };
  const write = (region: Region): void => {
    const topics = region.children.filter(({ node }) => node.chunk === undefined);
    const named = topics.filter((topic) => name(topic) !== undefined);
    const room = named.reduce((sum, { polygon }) => sum + area(polygon), 0);
    if (topics.length > 0 && (region.depth === 0 || room > 0.6 * area(region.polygon))) {
      for (const topic of topics) write(topic);
    } else {
      const own = region.depth === 0 ? undefined : name(region);
      if (own !== undefined) parts.push(own);
    }
  };
  write(root);
  return parts;
}

function legendOf(root: MapNode): string[] {
  const topics = (root.children ?? []).filter(({ chunk }) => chunk === undefined);
  const parts: string[] = [];
  const step = Math.max(34, Math.min(104, 880 / Math.max(1, topics.length)));
  let y = mapBox.y + 14;
  for (const [i, topic] of topics.entries()) {
    if (y > page.height - 60) {
      parts.push(`<text x="${legend.x}" y="${y}" font-size="13" fill="#555">and ${topics.length - i} more</text>`);
      break;
    }
    const index = root.children!.indexOf(topic);
    const colour = css(mixed(topicColour(index, topic.name === "Unlinked"), white, 0.2));
    parts.push(`<rect x="${legend.x}" y="${y - 13}" width="18" height="18" rx="4" fill="${colour}"/>`);
    const lines = wrapped(topic.name, 17, legend.width - 32, step > 60 ? 2 : 1);
    for (const [line, text] of lines.entries()) {
      parts.push(
        `<text x="${legend.x + 30}" y="${y + 2 + line * 20}" font-size="17" font-weight="600" fill="#111">${escaped(text)}</text>`,
      );
    }
    const share = Math.round((100 * topic.size) / Math.max(1, root.size));
    const parts2 = (topic.children ?? []).filter(({ chunk }) => chunk === undefined).length;
    const detail = `${share < 1 ? "under 1" : share} % of the text${parts2 > 1 ? `, ${parts2} topics` : ""}`;
    const below = y + 2 + lines.length * 20;
    if (step > 44)
      parts.push(`<text x="${legend.x + 30}" y="${below}" font-size="13.5" fill="#555">${escaped(detail)}</text>`);
    y += Math.max(step, 30 + lines.length * 20);
  }
  return parts;
}

function wrapped(text: string, font: number, width: number, most: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && estimatedWidth(longer) * font > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  lines.push(line);
  return lines.length <= most ? lines : [...lines.slice(0, most - 1), `${lines[most - 1]!.replace(/,$/, "")} …`];
}

function description(root: MapNode): string {
  const topics = (root.children ?? []).map(
    ({ name, size }) => `${name} (${Math.round((100 * size) / Math.max(1, root.size))} %)`,
  );
  return `Topics by amount of text: ${topics.slice(0, 20).join("; ")}.`;
}

function corners(points: ArrayLike<number>): string {
  const pairs: string[] = [];
  for (let i = 0; i < points.length; i += 2) pairs.push(`${points[i]!.toFixed(1)},${points[i + 1]!.toFixed(1)}`);
  return pairs.join(" ");
}

function path(points: ArrayLike<number>): string {
  return `M${corners(points).replace(/ /g, "L")}Z`;
}

function area(points: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < points.length; i += 2) {
    const j = (i + 2) % points.length;
    sum += points[i]! * points[j + 1]! - points[j]! * points[i + 1]!;
  }
  return Math.abs(sum) / 2;
}

function shortened(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function escaped(content: string): string {
  return content
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "")
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;");
}
