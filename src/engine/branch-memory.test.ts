import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { type KeyValueShape, KeyValueStore } from "../cache/store/key-values.js";
import { Device } from "../tensor/device.js";
import { fillBranches } from "./branch-mask.js";
import { BranchMemory } from "./branch-memory.js";

const device = Device.open({ device: "cpu", threads: 1 });
afterAll(() => device.close());

const layer = { kvHeads: 2, headDim: 4 };
const shape: KeyValueShape = { layers: [layer, { ...layer, window: 6 }], type: "f32" };

const commands = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant("append" as const),
        picks: fc.array(fc.nat(), { minLength: 1, maxLength: 12 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("fork" as const),
        pick: fc.nat(),
        copies: fc.integer({ min: 1, max: 3 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("free" as const), pick: fc.nat() }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("rewind" as const),
        pick: fc.nat(),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    },
  ),
  { maxLength: 60 },
);

describe("BranchMemory", () => {
  it("is what separate texts would be, and holds what they share once", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 70 }), commands, (promptLength, steps) => {
        const store = new KeyValueStore(device, shape, 64);
        const memory = new BranchMemory(() => store);
        let stamp = 0;
        const write = (positions: Int32Array): { slots: Int32Array; stamps: number[] } => {
          const { shared } = store.reserve(positions.length, positions);
          const slots = shared[0] as Int32Array;
          const stamps = Array.from(slots, () => ++stamp);
          for (const index of shape.layers.keys())
            for (let head = 0; head < layer.kvHeads; head++)
              for (const [row, slot] of slots.entries())
                store.layer(index).write("keys", head, slot, new Float32Array(4).fill(stamps[row] as number));
          return { slots, stamps };
        };
        // Every branch as a text of its own; each entry has a stamp that no other has.
        const texts = new Map<number, number[]>([
          [0, promptLength === 0 ? [] : write(Int32Array.from({ length: promptLength }, (_, i) => i)).stamps],
        ]);
        const pick = (n: number) => [...texts.keys()][n % texts.size] as number;
        const textOf = (branch: number) => texts.get(branch) as number[];
        for (const step of steps) {
          if (texts.size === 0) break;
          if (step.kind === "append") {
            const of = Int32Array.from(step.picks, pick);
            memory.check(of.length, of);
            const positions = memory.positions(of);
            const expected = new Map([...texts].map(([branch, { length }]) => [branch, length]));
            for (const [row, branch] of of.entries()) {
              expect(positions[row]).toBe(expected.get(branch));
              expected.set(branch, (expected.get(branch) as number) + 1);
            }
            const { slots, stamps } = write(positions);
            memory.append(of, slots);
            for (const [row, branch] of of.entries()) textOf(branch).push(stamps[row] as number);
            checkMask(store, memory, { of, positions }, (row) =>
              textOf(of[row] as number).slice(0, (positions[row] as number) + 1),
            );
          } else if (step.kind === "fork") {
            const from = pick(step.pick);
            for (const copy of memory.fork(from, step.copies)) {
              expect(texts.has(copy)).toBe(false);
              texts.set(copy, [...textOf(from)]);
            }
          } else if (step.kind === "free") {
            const branch = pick(step.pick);
            memory.free(branch);
            texts.delete(branch);
          } else {
            const branch = pick(step.pick);
            const length = Math.floor(step.share * textOf(branch).length);
            memory.rewind(branch, length);
            textOf(branch).length = length;
          }
          const distinct = new Set([...texts.values()].flat());
          expect([memory.entries, store.entries]).toEqual([distinct.size, distinct.size]);
          expect(store.tokens).toBe(distinct.size);
          for (const [branch, text] of texts) {
            expect(memory.lengthOf(branch)).toBe(text.length);
            expect(stampsOf(store, memory, branch)).toEqual(text);
          }
        }
        for (const branch of texts.keys()) memory.free(branch);
        expect([memory.live, memory.references, memory.entries]).toEqual([0, 0, 0]);
        store.close();
      }),
      { numRuns: 150 },
    );
  });

  it("knows how much of the beginning is as it was", () => {
    const store = new KeyValueStore(device, shape, 64);
    store.reserve(10);
    const memory = new BranchMemory(() => store);
    const [copy = 0] = memory.fork(0, 1);
    expect(memory.intact).toBe(10);
    memory.rewind(copy, 4);
    // The other branch still holds them.
    expect(memory.intact).toBe(10);
    memory.rewind(0, 6);
    expect(memory.intact).toBe(6);
    memory.free(0);
    memory.free(copy);
    expect(memory.intact).toBe(0);
    store.close();
  });

  it("refuses what it cannot do", () => {
    const store = new KeyValueStore(device, shape, 64);
    store.reserve(3);
    const memory = new BranchMemory(() => store);
    expect(() => memory.lengthOf(1)).toThrow(/no branch 1/);
    expect(() => memory.fork(0, 0)).toThrow(/cannot be forked/);
    expect(() => memory.fork(0, 1.5)).toThrow(/cannot be forked/);
    memory.check(5, undefined);
    memory.fork(0, 1);
    expect(() => memory.check(5, undefined)).toThrow(/which they continue/);
    expect(() => memory.check(2, Int32Array.of(0))).toThrow(/1 branches were named for 2 rows/);
    expect(() => memory.check(1, Int32Array.of(9))).toThrow(/no branch 9/);
    expect(() => memory.check(600, new Int32Array(600))).toThrow(/600 branches were named for 600 rows/);
    expect(() => memory.rewind(0, 4)).toThrow(/cannot be rewound/);
    expect(() => memory.rewind(0, -1)).toThrow(/cannot be rewound/);
    memory.free(1);
    expect(() => memory.free(1)).toThrow(/no branch 1/);
    store.close();
  });
});

function stampsOf(store: KeyValueStore, memory: BranchMemory, branch: number): number[] {
  const parts = [...memory.path(branch)].reverse();
  let length = 0;
  for (const { start, slots } of parts) {
    expect(start).toBe(length);
    length += slots.length;
  }
  const slots = Int32Array.from(parts.flatMap(({ slots }) => [...slots]));
  const keys = store.layer(1).read("keys", 1, slots);
  return Array.from(slots, (_, i) => keys[4 * i] as number);
}

function checkMask(
  store: KeyValueStore,
  memory: BranchMemory,
  rows: { of: Int32Array; positions: Int32Array },
  seen: (row: number) => number[],
): void {
  const read = store.capacity;
  for (const window of [0, 6]) {
    const mask = new Uint16Array(rows.of.length * read).fill(1);
    fillBranches(mask, { memory, ...rows }, { read, window, allowed: 0 });
    for (let row = 0; row < rows.of.length; row++) {
      const slots = Int32Array.from([...Array(read).keys()].filter((slot) => mask[row * read + slot] === 0));
      const keys = store.layer(0).read("keys", 0, slots);
      const got = Array.from(slots, (_, i) => keys[4 * i] as number).sort((a, b) => a - b);
      const expected = window === 0 ? seen(row) : seen(row).slice(-window);
      expect(got).toEqual([...expected].sort((a, b) => a - b));
    }
  }
}
