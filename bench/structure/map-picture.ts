import { inscribedCircle } from "../../src/structure/convex-polygon.js";
import type { Partition } from "../../src/structure/polygonal-partitions.js";
import type { FolderTree } from "./folder-tree.js";

/** A partition as a picture: colour by the branch two levels below the root, lighter with depth, names where their circle holds them. */

const branchColours = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#B3A100", "#777777"];
const size = 1000;

export function mapPicture(tree: FolderTree, drawn: Partition, title: string): string {
  const branch = branches(tree);
  const hasChild = new Set(tree.parents);
  const shown = tree.parents.map((_, node) => node).filter((node) => drawn.counts[node]! > 0);
  const leaves = shown.filter((node) => !hasChild.has(node));
  // Outlines of folders lie over their files', those of large folders over those of small.
  const folders = shown.filter((node) => hasChild.has(node)).sort((a, b) => drawn.depths[b]! - drawn.depths[a]!);
  const parts = leaves.map((node) => {
    const colour = branchColours[branch[node]! % branchColours.length] as string;
    const white = Math.min(0.7, 0.25 + 0.12 * drawn.depths[node]!);
    return `<polygon points="${corners(drawn, node)}" fill="${mixed(colour, white)}" stroke="#fff" stroke-width="0.7" stroke-linejoin="round"/>`;
  });
  for (const node of folders) {
    const width = [0, 6, 4, 2][drawn.depths[node]!] ?? 1.2;
    parts.push(
      `<polygon points="${corners(drawn, node)}" fill="none" stroke="#fff" stroke-width="${width}" stroke-linejoin="round"/>`,
    );
  }
  for (const node of leaves) {
    const { x, y, radius } = inscribedCircle(drawn.polygon(node));
    const name = tree.ids[node]!;
    const font = Math.min(26, (radius * size * 1.9) / (0.56 * name.length));
    if (font < 7) continue;
    parts.push(
      `<text x="${(x * size).toFixed(1)}" y="${((1 - y) * size + font * 0.35).toFixed(1)}" font-size="${font.toFixed(1)}" font-family="system-ui, sans-serif" text-anchor="middle" fill="#111">${escaped(name)}</text>`,
    );
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" width="${size}" height="${size}" role="img"><title>${escaped(title)}</title><rect width="${size}" height="${size}" fill="#fff"/>\n${parts.join("\n")}\n</svg>\n`;
}

function corners(drawn: Partition, node: number): string {
  const flat = drawn.polygon(node);
  const pairs = Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]! * size, (1 - flat[2 * i + 1]!) * size]);
  return pairs.map((pair) => pair.map((value) => value.toFixed(2)).join(",")).join(" ");
}

/** Which folder two levels down a node belongs to, numbered as they come. */
function branches({ parents }: FolderTree): number[] {
  const branch: number[] = [];
  const depth: number[] = [];
  let known = 0;
  // A folder's entries are numbered after it, so parents are known first.
  parents.forEach((parent, node) => {
    depth[node] = parent < 0 ? 0 : depth[parent]! + 1;
    branch[node] = depth[node]! <= 2 ? known++ : branch[parent]!;
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
