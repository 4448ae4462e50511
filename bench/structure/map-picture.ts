import { inscribedCircle } from "../../src/structure/convex-polygon.js";
import type { Partition } from "../../src/structure/polygonal-partitions.js";
import type { FolderTree } from "./folder-tree.js";

/** A partition as a picture: colour by the branch below the root, lighter with depth, names where their circle holds them. */

const branchColours = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#B3A100", "#777777"];
const size = 1000;

export function mapPicture(tree: FolderTree, drawn: Partition, title: string): string {
  const parts: string[] = [];
  const branch = branches(tree);
  const hasChild = new Set(tree.parents);
  const order = tree.parents.map((_, node) => node).sort((a, b) => drawn.depths[a]! - drawn.depths[b]!);
  for (const node of order) {
    const flat = drawn.polygon(node);
    if (flat.length === 0) continue;
    const corners = Array.from(
      { length: flat.length / 2 },
      (_, i) => `${(flat[2 * i]! * size).toFixed(2)},${((1 - flat[2 * i + 1]!) * size).toFixed(2)}`,
    );
    const colour = branchColours[branch[node]! % branchColours.length] as string;
    const depth = drawn.depths[node]!;
    const fill = hasChild.has(node) ? "none" : mixed(colour, Math.min(0.75, 0.3 + 0.13 * depth));
    const stroke = depth <= 1 ? 4 : depth === 2 ? 2 : 0.6;
    parts.push(
      `<polygon points="${corners.join(" ")}" fill="${fill}" stroke="#fff" stroke-width="${stroke}" stroke-linejoin="round"/>`,
    );
  }
  for (const node of order) {
    const flat = drawn.polygon(node);
    if (flat.length === 0 || hasChild.has(node)) continue;
    const { x, y, radius } = inscribedCircle(flat);
    const name = tree.ids[node]!;
    const font = Math.min(26, (radius * size * 1.9) / (0.56 * name.length));
    if (font < 7) continue;
    parts.push(
      `<text x="${(x * size).toFixed(1)}" y="${((1 - y) * size + font * 0.35).toFixed(1)}" font-size="${font.toFixed(1)}" font-family="system-ui, sans-serif" text-anchor="middle" fill="#111">${escaped(name)}</text>`,
    );
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" width="${size}" height="${size}" role="img"><title>${escaped(title)}</title><rect width="${size}" height="${size}" fill="#fff"/>\n${parts.join("\n")}\n</svg>\n`;
}

function branches({ parents }: FolderTree): number[] {
  const top = parents.flatMap((parent, node) => (parent === 0 ? [node] : []));
  const branch: number[] = [];
  // A folder's entries are numbered after it, so parents are known first.
  parents.forEach((parent, node) => {
    branch[node] = parent < 0 ? 0 : parent === 0 ? top.indexOf(node) : branch[parent]!;
  });
  return branch;
}

function mixed(colour: string, white: number): string {
  const channel = (at: number) => Math.round(Number.parseInt(colour.slice(at, at + 2), 16) * (1 - white) + 255 * white);
  return `rgb(${channel(1)},${channel(3)},${channel(5)})`;
}

function escaped(content: string): string {
  return content.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
