import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { Device } from "../../tensor/device.js";
import { KeyValueStore } from "./key-values.js";

const device = Device.open({ device: "cpu", threads: 1 });
afterAll(() => device.close());

const shape = { layers: [{ kvHeads: 2, headDim: 4 }], type: "f32" as const };

/** Writes an entry's position as its key, so that moving entries about can be followed. */
function stamp(store: KeyValueStore, slots: Int32Array): void {
  const { keys } = store.layer(0);
  const storage = keys.owner as unknown as { write(tensor: unknown, bytes: Float32Array, offset: number): void };
  for (const slot of slots) {
    const value = new Float32Array(4).fill(store.positions[slot] as number);
    for (let head = 0; head < 2; head++) storage.write(keys, value, (head * store.capacity + slot) * 16);
  }
}

function stamped(store: KeyValueStore, slot: number): number {
  const { keys } = store.layer(0);
  const storage = keys.owner as unknown as { read(tensor: unknown, into: Float32Array, offset: number): void };
  const value = new Float32Array(4);
  storage.read(keys, value, (store.capacity + slot) * 16);
  return value[0] as number;
}

describe("KeyValueStore", () => {
  it("holds what a plain list of positions holds, through any edits", () => {
    const command = fc.oneof(
      fc.record({ kind: fc.constant("reserve" as const), count: fc.integer({ min: 1, max: 90 }) }),
      fc.record({ kind: fc.constant("rewind" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ kind: fc.constant("keep" as const), every: fc.integer({ min: 2, max: 9 }) }),
      fc.record({ kind: fc.constant("clone" as const) }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 14 }), (commands) => {
        let store = new KeyValueStore(device, shape, 8);
        let model: number[] = [];
        let tokens = 0;
        for (const step of commands) {
          if (step.kind === "reserve") {
            const slots = store.reserve(step.count);
            stamp(store, slots);
            for (let i = 0; i < step.count; i++) model.push(tokens++);
          } else if (step.kind === "rewind") {
            const length = Math.floor(step.share * tokens);
            store.rewind(length);
            model = model.filter((position) => position < length);
            tokens = length;
          } else if (step.kind === "keep") {
            const occupied = store.occupied();
            store.keep(
              occupied.filter((_, i) => i % step.every === 0),
              4,
            );
            model = model.filter((_, i) => i % step.every === 0);
          } else {
            const copy = store.clone(3);
            store.close();
            store = copy;
          }
          expect(store.tokens).toBe(tokens);
          expect(store.entries).toBe(model.length);
          const slots = store.occupied();
          expect(Array.from(slots, (slot) => store.positions[slot])).toEqual(model);
          for (const slot of slots) expect(stamped(store, slot)).toBe(store.positions[slot]);
          if (store.isDense) expect(Array.from(slots)).toEqual(model);
        }
        store.close();
      }),
      { numRuns: 150 },
    );
  });

  it("gives memory back", () => {
    const store = new KeyValueStore(device, shape, 2000);
    const before = store.sizeBytes;
    const slots = store.reserve(2000);
    store.keep(slots.subarray(0, 100), 0);
    expect(store.capacity).toBe(128);
    expect(store.sizeBytes).toBeLessThan(before / 10);
    store.close();
  });

  it("keeps the accepted rows of a tree", () => {
    const store = new KeyValueStore(device, shape, 64);
    store.reserve(3);
    const rows = store.reserve(4, Int32Array.of(3, 3, 4, 4));
    store.keepOf(rows, Int32Array.of(1, 3));
    expect(store.tokens).toBe(5);
    expect(Array.from(store.occupied(), (slot) => store.positions[slot])).toEqual([0, 1, 2, 3, 4]);
    store.close();
  });

  it("refuses what cannot be", () => {
    expect(() => new KeyValueStore(device, { ...shape, type: "q8_0" }, 8)).toThrow(/multiple/);
    const store = new KeyValueStore(device, shape, 8);
    store.reserve(2);
    expect(() => store.keep(Int32Array.of(5), 0)).toThrow(/holds nothing/);
    store.close();
  });
});
