import fc from "fast-check";
import { parseFragment } from "parse5";
import { describe, expect, test } from "vitest";
import { estimatedWidth, fitLabel, lineHeight } from "./label-fit.js";
import { css, siblingTint, topicColour } from "./map-colours.js";
import { mapColumns } from "./map-columns.js";
import { mapHtml } from "./map-html.js";
import { layOutChildren } from "./map-layout.js";
import { cutMap, type MapNode, mapNodes } from "./map-node.js";
import { mapSvg } from "./map-svg.js";

function leaf(i: number, size: number): MapNode {
  return {
    id: `c${i}`,
    name: `Passage ${i}`,
    size,
    chunk: { file: `f${i % 3}.md`, start_line: i + 1, end_line: i + 2 },
  };
}

let next = 0;
const tree: fc.Arbitrary<MapNode> = fc.letrec<{ node: MapNode }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 4, depthIdentifier: "map" },
    fc.integer({ min: 1, max: 5000 }).map((size) => leaf(next++, size)),
    fc
      .tuple(fc.string({ unit: "grapheme", maxLength: 20 }), fc.array(tie("node"), { minLength: 1, maxLength: 6 }))
      .map(([name, children]) => ({
        id: `t${next++}`,
        name,
        terms: [name],
        size: children.reduce((sum, child) => sum + child.size, 0),
        children,
      })),
  ),
})).node;

function area(points: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < points.length; i += 2) {
    const j = (i + 2) % points.length;
    sum += points[i]! * points[j + 1]! - points[j]! * points[i + 1]!;
  }
  return Math.abs(sum) / 2;
}

test("children share their parent's area by size, level below level", () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 100_000 }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(sizes, sizes, (first, second) => {
      const square = [0, 0, 900, 0, 900, 700, 0, 700];
      const total = first.reduce((sum, size) => sum + size, 0);
      const laid = layOutChildren(square, first);
      expect(laid.map(({ index }) => index)).toEqual(first.flatMap((size, i) => (size > 0 ? [i] : [])));
      for (const { index, polygon } of laid) expect(area(polygon)).toBeCloseTo((630_000 * first[index]!) / total, 4);
      const [inner] = laid;
      if (inner === undefined || inner.polygon.length < 6) return;
      const below = second.reduce((sum, size) => sum + size, 0);
      for (const { index, polygon } of layOutChildren(inner.polygon, second)) {
        const expected = (area(inner.polygon) * second[index]!) / below;
        expect(Math.abs(area(polygon) - expected)).toBeLessThan(1e-6 * area(inner.polygon));
      }
    }),
    { numRuns: 60 },
  );
});

test("a label lies inside its polygon, all lines of it", () => {
  // Convex: points on an ellipse.
  const polygon = fc
    .tuple(
      fc.uniqueArray(fc.integer({ min: 0, max: 359 }), { minLength: 3, maxLength: 9 }),
      fc.integer({ min: 5, max: 400 }),
    )
    .map(([angles, height]) =>
      angles
        .sort((a, b) => a - b)
        .flatMap((angle) => [300 * Math.cos((angle * Math.PI) / 180), height * Math.sin((angle * Math.PI) / 180)]),
    );
  fc.assert(
    fc.property(polygon, fc.string({ minLength: 1, maxLength: 60 }), (points, name) => {
      const label = fitLabel(points, name, estimatedWidth, { least: 0.001, most: 80 });
      if (label === undefined) return;
      expect(label.lines.join(" ")).toBe(
        name
          .split(" ")
          .filter((word) => word !== "")
          .join(" ") || name,
      );
      const half = {
        x: (Math.max(...label.lines.map(estimatedWidth)) * label.font) / 2,
        y: (label.lines.length * lineHeight * label.font) / 2,
      };
      for (const [sx, sy] of [
        [-1, -1],
        [1, -1],
        [1, 1],
        [-1, 1],
      ] as const) {
        for (let i = 0; i < points.length; i += 2) {
          const j = (i + 2) % points.length;
          const cross =
            (points[j]! - points[i]!) * (label.y + sy * half.y - points[i + 1]!) -
            (points[j + 1]! - points[i + 1]!) * (label.x + sx * half.x - points[i]!);
          expect(cross).toBeGreaterThan(-1e-6);
        }
      }
    }),
  );
});

test("black words can be read on every fill, and siblings differ from their neighbours", () => {
  const luminance = (hex: string) => {
    const [r, g, b] = [1, 3, 5].map((at) => {
      const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  };
  for (let top = 0; top < 9; top++) {
    for (let of = 1; of < 12; of++) {
      const tints = Array.from({ length: of }, (_, i) => siblingTint(i, of));
      expect(new Set(tints).size).toBe(of);
      for (const tint of tints) {
        const { r, g, b } = topicColour(top);
        const fill = css({
          r: Math.round(r + (255 - r) * tint),
          g: Math.round(g + (255 - g) * tint),
          b: Math.round(b + (255 - b) * tint),
        });
        expect((luminance(fill) + 0.05) / (luminance("#111111") + 0.05)).toBeGreaterThan(4.5);
      }
    }
  }
});

describe("pictures and columns", () => {
  test("any tree of any names gives a picture that parses, with every topic at the top in its legend", () => {
    fc.assert(
      fc.property(tree, fc.string({ maxLength: 40 }), (root, title) => {
        const svg = mapSvg(root, { title });
        const [element] = parseFragment(svg).childNodes;
        expect(element?.nodeName).toBe("svg");
        expect(svg).not.toContain("NaN");
        expect(svg.match(/<text/g)?.length).toBe(svg.match(/<\/text>/g)?.length);
      }),
      { numRuns: 60 },
    );
  });

  test("columns hold the tree: parents first, children together", () => {
    fc.assert(
      fc.property(tree, (root) => {
        const { names, ids, parents, sizes, files, fileOf, startLines } = mapColumns(root);
        const nodes = [...mapNodes(root)].map(({ node }) => node);
        expect([...ids].sort()).toEqual(nodes.map(({ id }) => id).sort());
        for (let i = 0; i < names.length; i++) {
          const node = nodes.find(({ id }) => id === ids[i])!;
          expect([names[i], sizes[i]]).toEqual([node.name, node.size]);
          expect(parents[i]).toBeLessThan(i);
          if (i > 0) expect(nodes.find(({ id }) => id === ids[parents[i]!])!.children).toContain(node);
          expect(files[fileOf[i]!]).toBe(node.chunk?.file);
          expect(startLines[i]).toBe(node.chunk?.start_line ?? 0);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("a map file carries its script and its data, and neither ends it early", async () => {
    const root: MapNode = { id: "r", name: "</script><b>", size: 5, children: [leaf(1, 5)] };
    const html = await mapHtml(root, { title: "A & <b>", script: 'const x = "</script>";' });
    expect(html.match(/<\/script>/g)).toHaveLength(2);
    expect(html).toContain("<title>A &amp; &lt;b&gt;</title>");
    expect(html).not.toMatch(/https?:\/\//);
  });

  test("cut at a depth, sizes stay", () => {
    const root: MapNode = {
      id: "r",
      name: "r",
      size: 9,
      children: [{ id: "t", name: "t", size: 9, children: [leaf(1, 4), leaf(2, 5)] }],
    };
    expect(cutMap(root, 1)).toEqual({ id: "r", name: "r", size: 9, children: [{ id: "t", name: "t", size: 9 }] });
  });
});
