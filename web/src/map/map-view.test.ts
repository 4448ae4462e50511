import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mapColumns } from "../../../src/corpus/map/map-columns.js";
import type { MapNode } from "../../../src/corpus/map/map-node.js";
import { MapCamera } from "./map-camera.js";
import { MapGeometry } from "./map-geometry.js";
import { mapModel } from "./map-model.js";
import { litChunks, searchMap } from "./map-search.js";

/** What of the viewer needs no page: the model, where things are, the camera, the search. */

function sample(topics: number, chunks: number): MapNode {
  const children = Array.from({ length: topics }, (_, t): MapNode => {
    const inside = Array.from(
      { length: chunks },
      (_, c): MapNode => ({
        id: `c${t}-${c}`,
        name: `Passage ${c}`,
        size: 10 + ((t * 7 + c * 3) % 50),
        chunk: { file: `dir/f${t}.md`, start_line: c * 10 + 1, end_line: c * 10 + 9 },
      }),
    );
    return {
      id: `t${t}`,
      name: `Topic ${t}`,
      terms: [`word${t}`, "shared"],
      size: inside.reduce((sum, { size }) => sum + size, 0),
      children: inside,
    };
  });
  return { id: "root", name: "Everything", size: children.reduce((sum, { size }) => sum + size, 0), children };
}

const model = mapModel(sample(6, 12));

describe("model", () => {
  test("holds the tree: counts, paths, places, ids", () => {
    expect(model.count).toBe(1 + 6 + 72);
    expect(model.chunkCounts[0]).toBe(72);
    const node = model.nodeOf("c3-4")!;
    expect(model.path(node).map((at) => model.idOf(at))).toEqual(["root", "t3", "c3-4"]);
    expect(model.place(node)).toEqual({ file: "dir/f3.md", startLine: 41, endLine: 49 });
    expect(model.place(0)).toBeUndefined();
    expect(model.tops[node]).toBe(3);
    expect(model.nodeOf("nothing")).toBeUndefined();
  });

  test("a file without ids of chunks knows them by place", () => {
    const packed = JSON.parse(JSON.stringify(mapColumns(sample(2, 3), { chunkIds: false })));
    const unpacked = mapModel(packed);
    expect(unpacked.nodeOf("dir/f1.md:11")).toBeDefined();
    expect(unpacked.idOf(unpacked.nodeOf("t1")!)).toBe("t1");
  });
});

describe("geometry", () => {
  test("every point of the map lies in exactly one chain down to a chunk, and in each polygon of it", () => {
    const geometry = new MapGeometry(model, 1.5);
    const share = fc.double({ min: 0.001, max: 0.999, noNaN: true });
    fc.assert(
      fc.property(share, share, (x, y) => {
        const chain = geometry.chainAt(x * geometry.width, y * geometry.height, () => true);
        expect(chain.length).toBe(3);
        for (const [i, node] of chain.entries()) {
          expect(geometry.contains(node, x * geometry.width, y * geometry.height)).toBe(true);
          if (i > 0) expect(model.parents[node]).toBe(chain[i - 1]);
        }
      }),
    );
    expect(geometry.chainAt(-5, 10, () => true)).toEqual([]);
  });

  test("areas are sizes, and children are laid out only when asked for", () => {
    const geometry = new MapGeometry(model, 1);
    const node = model.nodeOf("c2-2")!;
    expect(geometry.polygon(node)).toBeUndefined();
    geometry.reveal(node);
    expect(geometry.area(node) / geometry.area(0)).toBeCloseTo(model.sizes[node]! / model.sizes[0]!, 9);
    expect(geometry.polygon(model.nodeOf("c5-0")!)).toBeUndefined();
  });

  test("without time left nothing is laid out, and another frame is asked for", () => {
    const geometry = new MapGeometry(model, 1);
    geometry.beginFrame(-1);
    expect(geometry.open(0)).toBe(false);
    expect(geometry.unfinished).toBe(true);
    geometry.beginFrame(1000);
    expect(geometry.open(0)).toBe(true);
  });
});

describe("camera", () => {
  const camera = (): MapCamera => {
    const made = new MapCamera({ width: 1200, height: 800 });
    made.resize(600, 400);
    made.jump(made.whole());
    return made;
  };

  test("the whole map is in view, in the middle", () => {
    const { x0, y0, x1, y1 } = camera().visible();
    expect(x0).toBeLessThan(0);
    expect(y0).toBeLessThan(0);
    expect(x1).toBeGreaterThan(1200);
    expect(y1).toBeGreaterThan(800);
    expect(x0 + x1).toBeCloseTo(1200);
  });

  test("zooming in keeps the place under the pointer", () => {
    const place = fc.integer({ min: 100, max: 300 });
    fc.assert(
      fc.property(place, place, fc.double({ min: 1.5, max: 30, noNaN: true }), (px, py, factor) => {
        const one = camera();
        // Away from the edges, where the map is held.
        one.zoom(3, 300, 200);
        const before = one.toMap(px, py);
        one.zoom(factor, px, py);
        const after = one.toMap(px, py);
        expect(after.x).toBeCloseTo(before.x, 6);
        expect(after.y).toBeCloseTo(before.y, 6);
      }),
    );
  });

  test("never further out than the map, never off it", () => {
    const one = camera();
    for (let i = 0; i < 100; i++) one.zoom(0.5, 10, 10);
    expect(one.view.scale).toBeGreaterThan(0.3);
    one.zoom(8, 300, 200);
    for (let i = 0; i < 100; i++) one.pan(500, 500);
    const { x1, y1 } = one.visible();
    expect(x1).toBeGreaterThan(0);
    expect(y1).toBeGreaterThan(0);
  });

  test("a flight ends where it should, and passes only between", () => {
    const one = camera();
    const to = one.viewOf({ x0: 700, y0: 500, x1: 900, y1: 600 });
    one.fly(to, 300);
    const began = performance.now();
    let scale = one.view.scale;
    for (let t = 0; t <= 320; t += 20) {
      one.step(began + t);
      expect(one.view.scale).toBeGreaterThanOrEqual(scale - 1e-9);
      scale = one.view.scale;
    }
    expect(one.view.x).toBeCloseTo(800, 3);
    expect(one.view.y).toBeCloseTo(550, 3);
    expect(one.step(began + 1000)).toBe(false);
  });
});

describe("search", () => {
  test("all words must stand in a name, a topic word, a file or a beginning", () => {
    expect(searchMap(model, "word4").map((node) => model.idOf(node))).toEqual(["t4"]);
    expect(searchMap(model, "F2.md passage 3").map((node) => model.idOf(node))).toEqual(["c2-3"]);
    expect(searchMap(model, "shared")).toHaveLength(6);
    expect(searchMap(model, "  ")).toEqual([]);
  });

  test("lit chunks count in every topic above", () => {
    const { lit, below } = litChunks(
      model,
      ["c1-1", "c1-2", "c4-0", "t2"].map((id) => model.nodeOf(id)!),
    );
    expect(lit.size).toBe(3);
    expect([...below].map(([node, count]) => [model.idOf(node), count])).toEqual([
      ["t1", 2],
      ["t4", 1],
    ]);
  });

  test("of 100,000 chunks takes a moment", () => {
    const large = mapModel(sample(1000, 100));
    searchMap(large, "word999");
    const began = performance.now();
    expect(searchMap(large, "word999")).toHaveLength(1);
    expect(performance.now() - began).toBeLessThan(1000);
  });
});
