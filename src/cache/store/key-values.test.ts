import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { Device } from "../../tensor/device.js";
import type { Edit } from "../policy.js";
import { editStore } from "./edit-store.js";
import { decodeEntries, encodeEntries, floatToHalf } from "./entry-codec.js";
import { type KeyValueShape, KeyValueStore, type Reservation } from "./key-values.js";

const device = Device.open({ device: "cpu", threads: 1 });
afterAll(() => device.close());

const heads = 2;
const layer = { kvHeads: heads, headDim: 4 };
const shape: KeyValueShape = { layers: [layer, layer, { ...layer, window: 6 }], type: "f32" };
const managed = [0, 1];
const options = { policy: "test", room: 4, slack: 0 };

/** What a head should hold, in the order of the text. */
interface Entry {
  position: number;
  key: number;
  value: number;
  mass: number;
  sum: number;
}
type Model = Entry[][][];

const keyOf = (position: number, layer: number, head: number) => position + layer / 10 + head / 100;

/** Writes what a pass would: keys and values that name their place, and a sum. */
function stamp(store: KeyValueStore, { positions, shared, byHead }: Reservation): void {
  for (const index of shape.layers.keys()) {
    const memory = store.layer(index);
    const group = store.groups.findIndex(({ layers }) => layers.includes(index));
    for (let head = 0; head < heads; head++) {
      for (const [row, position] of positions.entries()) {
        const slot = byHead.get(index)?.[head * positions.length + row] ?? (shared[group]?.[row] as number);
        const key = keyOf(position, index, head);
        memory.write("keys", head, slot, new Float32Array(4).fill(key));
        memory.write("values", head, slot, new Float32Array(4).fill(-key));
        const old = memory.sums === undefined ? 0 : (memory.read("sums", head, Int32Array.of(slot))[0] as number);
        expect(old).toBe(0);
        memory.write("sums", head, slot, Float32Array.of(key * 2));
      }
    }
  }
}

function check(store: KeyValueStore, model: Model): void {
  for (const [index, expected] of model.entries()) {
    const memory = store.layer(index);
    expect(store.entriesOf(index)).toBe(expected[0]?.length);
    for (const [head, entries] of expected.entries()) {
      const slots = store.occupied(index, head);
      const map = store.heads.get(index)?.heads[head];
      const { positions } = map ?? store.groupOf(index).slots;
      expect(Array.from(slots, (slot) => positions[slot])).toEqual(entries.map(({ position }) => position));
      expect(Array.from(slots, (slot) => map?.massOf(slot) ?? 1)).toEqual(entries.map(({ mass }) => mass));
      const near = (part: "keys" | "values" | "sums" | "bias", want: (entry: Entry) => number, width: number) => {
        const got = memory.read(part, head, slots);
        const worst = entries.reduce(
          (most, entry, i) => Math.max(most, Math.abs((got[i * width] ?? NaN) - want(entry))),
          0,
        );
        expect(worst).toBeLessThan(1e-3);
      };
      near("keys", ({ key }) => key, 4);
      near("values", ({ value }) => value, 4);
      if (memory.sums !== undefined) near("sums", ({ sum }) => sum, 1);
      if (memory.bias !== undefined) near("bias", ({ mass }) => Math.log(mass), 1);
    }
  }
}

const fresh = (position: number, index: number, head: number, sums: boolean): Entry => {
  const key = keyOf(position, index, head);
  return { position, key, value: -key, mass: 1, sum: sums ? key * 2 : 0 };
};

/** A choice of places that is the same for the same seed. */
function choose(count: number, of: number, seed: number): number[] {
  const places = Array.from({ length: of }, (_, i) => i);
  return places
    .map((place) => [Math.imul(place + 1, seed | 1) >>> 5, place] as const)
    .sort((a, b) => a[0] - b[0])
    .slice(0, count)
    .map(([, place]) => place)
    .sort((a, b) => a - b);
}

describe("KeyValueStore", () => {
  const share = fc.double({ min: 0.1, max: 1, noNaN: true });
  const seed = fc.integer({ min: 1, max: 1e6 });
  const command = fc.oneof(
    fc.record({ kind: fc.constant("reserve" as const), count: fc.integer({ min: 1, max: 90 }) }),
    fc.record({ kind: fc.constant("step" as const) }),
    fc.record({ kind: fc.constant("rewind" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    fc.record({ kind: fc.constant("keep" as const), share, seed }),
    fc.record({ kind: fc.constant("keep layer" as const), share, seed }),
    fc.record({ kind: fc.constant("keep heads" as const), share, seed }),
    fc.record({ kind: fc.constant("drop one" as const), seed }),
    fc.record({ kind: fc.constant("merge" as const), seed }),
    fc.record({ kind: fc.constant("clone" as const) }),
  );

  it("holds what plain lists hold, through any edits", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 16 }), fc.boolean(), (commands, sums) => {
        let store = new KeyValueStore(device, shape, 8);
        if (sums) store.watchSums();
        let model: Model = shape.layers.map(() => Array.from({ length: heads }, () => []));
        let tokens = 0;
        let edited = false;
        const take = (count: number) => {
          stamp(store, store.reserve(count));
          for (const [index, layers] of model.entries())
            for (const [head, entries] of layers.entries())
              for (let i = 0; i < count; i++) entries.push(fresh(tokens + i, index, head, sums && index < 2));
          tokens += count;
        };
        /** Lets `edit` say which places of each head of the managed layers stay. */
        const keep = (alike: boolean, chosen: readonly number[], places: (of: number, head: number) => number[]) => {
          const edits: Edit[] = [];
          for (const index of chosen) {
            for (let head = 0; head < heads; head++) {
              const slots = store.occupied(index, head);
              const stay = places(slots.length, alike ? 0 : head);
              edits.push({
                kind: "keep",
                layer: index,
                kvHead: head,
                slots: Int32Array.from(stay, (i) => slots[i] ?? 0),
              });
              const entries = model[index]?.[head] as Entry[];
              (model[index] as Entry[][])[head] = entries.filter((_, i) => stay.includes(i));
            }
          }
          const [first] = edits;
          editStore(
            store,
            alike && first !== undefined
              ? [{ kind: "keep", slots: first.kind === "keep" ? first.slots : new Int32Array(0) }]
              : edits,
            options,
          );
          edited = true;
        };
        for (const step of commands) {
          const held = model[0]?.[0]?.length ?? 0;
          if (step.kind === "reserve") take(step.count);
          else if (step.kind === "step") take(1);
          else if (step.kind === "rewind") {
            const length = Math.floor(step.share * tokens);
            const left = model.map((layers) =>
              layers.map((entries) => entries.filter(({ position }) => position < length)),
            );
            const even = left.every((layers) => layers.every(({ length: count }) => count === layers[0]?.length));
            // What a layer with a window has forgotten it would need again.
            if (length < tokens && (!even || length < store.rewindsTo)) {
              expect(() => store.rewind(length)).toThrow(/cannot be rewound/);
              continue;
            }
            store.rewind(length);
            model = left;
            tokens = length;
          } else if (step.kind === "keep") {
            // All layers alike is possible while they hold the same.
            if (store.heads.size > 0 || held === 0) continue;
            keep(true, managed, (of) => choose(Math.ceil(of * step.share), of, step.seed));
          } else if (step.kind === "keep layer") {
            const index = step.seed % 2;
            keep(false, [index], (of) => choose(Math.ceil(of * step.share), of, step.seed));
          } else if (step.kind === "keep heads") {
            keep(false, managed, (of, head) => choose(Math.ceil(of * step.share), of, step.seed + 77 * head));
          } else if (step.kind === "drop one") {
            if (model.some((layers) => layers[0]?.length === 0)) continue;
            keep(false, managed, (of, head) => choose(of - 1, of, step.seed + 31 * head));
          } else if (step.kind === "merge") {
            const edits: Edit[] = [];
            for (const index of managed) {
              for (let head = 0; head < heads; head++) {
                const slots = store.occupied(index, head);
                if (slots.length < 5) continue;
                const places = choose(3, slots.length, step.seed + head);
                edits.push({
                  kind: "merge",
                  layer: index,
                  kvHead: head,
                  groups: [Int32Array.from(places, (i) => slots[i] ?? 0)],
                });
                const entries = model[index]?.[head] as Entry[];
                const members = places.map((i) => entries[i] as Entry);
                const mass = members.reduce((sum, entry) => sum + entry.mass, 0);
                const mean = (of: (entry: Entry) => number) =>
                  members.reduce((sum, entry) => sum + entry.mass * of(entry), 0) / mass;
                const merged = {
                  position: members[0]?.position ?? 0,
                  key: mean(({ key }) => key),
                  value: mean(({ value }) => value),
                  mass,
                  sum: members.reduce((sum, entry) => sum + entry.sum, 0),
                };
                (model[index] as Entry[][])[head] = entries
                  .map((entry, i) => (i === places[0] ? merged : entry))
                  .filter((_, i) => i === places[0] || !places.includes(i));
              }
            }
            editStore(store, edits, options);
            edited = true;
          } else {
            const copy = store.clone(3);
            store.close();
            store = copy;
          }
          // Layers with a window drop what they no longer see once others were edited.
          if (edited) {
            const kept = store.entriesOf(2);
            for (const [head, entries] of (model[2] ?? []).entries())
              (model[2] as Entry[][])[head] = entries.slice(entries.length - kept);
            expect(kept).toBeGreaterThanOrEqual(Math.min(tokens, 6));
          }
          expect(store.tokens).toBe(tokens);
          check(store, model);
        }
        store.close();
      }),
      { numRuns: 250 },
    );
  });

  it("reads only a prefix of the slots when one row fills one hole in every head", () => {
    const store = new KeyValueStore(device, shape, 64);
    store.reserve(10);
    const drop = (lost: number[]): Edit[] =>
      managed.flatMap((index) =>
        lost.map((place, head): Edit => {
          const slots = store.occupied(index, head);
          return { kind: "keep", layer: index, kvHead: head, slots: slots.filter((_, i) => i !== place) };
        }),
      );
    editStore(store, drop([2, 5]), options);
    const { generation } = store;
    const { byHead } = store.reserve(1);
    expect(Array.from(byHead.get(0) ?? [])).toEqual([2, 5]);
    expect(store.generation).toBe(generation);
    expect(store.heads.get(0)).toMatchObject({ extent: 10, entries: 10 });
    store.close();
  });

  it("gives memory back, layer by layer", () => {
    const store = new KeyValueStore(device, shape, 2000);
    const before = store.sizeBytes;
    store.reserve(2000);
    const of = (index: number, count: number): Edit => ({
      kind: "keep",
      layer: index,
      slots: store.occupied(index, 0).subarray(0, count),
    });
    editStore(store, [of(0, 100), of(1, 300)], options);
    expect(store.layer(0).capacity).toBe(128);
    expect(store.layer(1).capacity).toBe(320);
    // The layer with a window of 6 follows.
    expect(store.layer(2).capacity).toBe(64);
    expect(store.sizeBytes).toBeLessThan(before / 10);
    expect(store.peakBytes).toBeGreaterThanOrEqual(before);
    expect(store.peakBytes).toBeLessThan(before * 1.1);
    store.close();
  });

  it("keeps the accepted rows of a tree", () => {
    const store = new KeyValueStore(device, shape, 64);
    store.reserve(3);
    const rows = store.reserve(4, Int32Array.of(3, 3, 4, 4));
    store.keepOf(rows, Int32Array.of(1, 3));
    expect(store.tokens).toBe(5);
    const slots = store.occupied(0, 0);
    expect(Array.from(slots, (slot) => store.groupOf(0).slots.positions[slot])).toEqual([0, 1, 2, 3, 4]);
    store.close();
  });

  it("puts the kept rows of trees where the text's next ones would be, round after round", () => {
    const store = new KeyValueStore(device, shape, 64);
    store.watchSums();
    stamp(store, store.reserve(3));
    for (let round = 0; round < 12; round++) {
      const base = store.tokens;
      const rows = store.reserve(5, Int32Array.of(base, base, base + 1, base + 1, base + 2));
      stamp(store, rows);
      store.keepOf(rows, round % 2 === 0 ? Int32Array.of(1, 3, 4) : Int32Array.of(1));
      store.putInOrder();
      const { slots } = store.groupOf(0);
      expect(slots.isDense).toBe(true);
      expect(slots.extent).toBe(store.tokens);
    }
    for (const index of shape.layers.keys()) {
      for (let head = 0; head < heads; head++) {
        const at = Int32Array.from({ length: store.tokens }, (_, position) => position);
        const keys = Float32Array.from(at, (position) => keyOf(position, index, head));
        const wide = (sign: number) =>
          Array.from({ length: 4 * keys.length }, (_, i) => sign * (keys[i >> 2] as number));
        expect(Array.from(store.layer(index).read("keys", head, at))).toEqual(wide(1));
        expect(Array.from(store.layer(index).read("values", head, at))).toEqual(wide(-1));
      }
    }
    store.close();
  });

  it("refuses what cannot be", () => {
    expect(() => new KeyValueStore(device, { ...shape, type: "q8_0" }, 8)).toThrow(/multiple/);
    const store = new KeyValueStore(device, shape, 8);
    store.reserve(4);
    const edit = (edits: Edit[]) => () => editStore(store, edits, options);
    expect(edit([{ kind: "keep", slots: Int32Array.of(5) }])).toThrow(/holds nothing/);
    expect(edit([{ kind: "keep", layer: 2, slots: Int32Array.of(0) }])).toThrow(/not its to edit/);
    expect(edit([{ kind: "keep", layer: 0, kvHead: 2, slots: Int32Array.of(0) }])).toThrow(/does not exist/);
    expect(edit([{ kind: "keep", layer: 0, kvHead: 0, slots: Int32Array.of(0) }])).toThrow(/different numbers/);
    store.close();
    const other = new KeyValueStore(device, shape, 8);
    other.reserve(4);
    expect(() => editStore(other, [{ kind: "merge", groups: [Int32Array.of(1, 1)] }], options)).toThrow(/itself/);
    other.close();
  });
});

describe("entry codec", () => {
  it("rounds f16 to the nearest, as typed arrays read it back", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffff }),
        fc.float({ noNaN: true, min: -70000, max: 70000 }),
        (bits, value) => {
          const half = new Uint8Array(Uint16Array.of(bits).buffer);
          const number = decodeEntries("f16", half)[0] as number;
          if (!Number.isNaN(number)) expect(floatToHalf(number)).toBe(bits === 0x8000 ? 0x8000 : bits);
          const back = decodeEntries("f16", encodeEntries("f16", Float32Array.of(value)))[0] as number;
          if (Math.abs(value) < 65504)
            expect(Math.abs(back - value)).toBeLessThanOrEqual(Math.max(Math.abs(value) * 2 ** -11, 2 ** -25));
        },
      ),
    );
  });

  it("keeps q8_0 within half a step", () => {
    const values = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i) * (i < 32 ? 1 : 100));
    const back = decodeEntries("q8_0", encodeEntries("q8_0", values));
    for (const [i, value] of values.entries())
      expect(Math.abs(value - (back[i] as number))).toBeLessThan((i < 32 ? 1 : 100) / 200);
  });
});
