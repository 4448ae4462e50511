import { afterAll, describe, expect, it } from "vitest";
import { Device } from "../../tensor/device.js";
import { KeyValueStore } from "./key-values.js";

const device = Device.open({ device: "cpu", threads: 1 });
afterAll(() => device.close());

const layer = { kvHeads: 2, headDim: 4 };
const layers = [layer, { ...layer, list: 2 }, { ...layer, list: 3 }, { ...layer, list: 2 }, layer];

describe("layers that hold listed rows", () => {
  const filled = () => {
    const store = new KeyValueStore(device, { layers, type: "f16" }, 200);
    store.reserve(150);
    store.join(2, Int32Array.of(0, 3, 4, 90, 149));
    store.join(3, Int32Array.of(3, 149));
    return store;
  };

  it("hold them, and memory for them, and no others", () => {
    const store = filled();
    expect(layers.map((_, at) => store.entriesOf(at))).toEqual([150, 5, 2, 5, 150]);
    expect(store.entries).toBeCloseTo((150 + 5 + 2 + 5 + 150) / 5, 9);
    const entryBytes = 2 * 2 * 4 * 2;
    expect(store.sizeBytes).toBeGreaterThanOrEqual((2 * 256 + 3 * 64) * entryBytes);
    expect(store.sizeBytes).toBeLessThan((2 * 256 + 3 * 64) * entryBytes + 5 * 256);
    expect(store.managed).toEqual([0, 4]);
    expect(store.isDense).toBe(false);
    expect(() => store.join(5, Int32Array.of(1))).toThrow(/no list 5/);
    store.close();
  });

  it("grow by what joins them, not by what is made room for", () => {
    const store = filled();
    store.makeRoom(1000);
    expect(store.groups.map(({ slots }) => slots.capacity)).toEqual([1024, 64, 64]);
    store.reserve(100);
    const { generation } = store;
    store.join(
      2,
      Int32Array.from({ length: 100 }, (_, i) => 150 + i),
    );
    expect(store.entriesOf(1)).toBe(105);
    expect(store.generation).toBeGreaterThan(generation);
    store.close();
  });

  it("are rewound and copied by position", () => {
    const store = filled();
    const copy = store.clone();
    store.rewind(90);
    expect(layers.map((_, at) => store.entriesOf(at))).toEqual([90, 3, 1, 3, 90]);
    expect(layers.map((_, at) => copy.entriesOf(at))).toEqual([150, 5, 2, 5, 150]);
    copy.join(3, Int32Array.of(150));
    expect(copy.entriesOf(2)).toBe(3);
    const newest = copy.reserve(3);
    copy.join(2, Int32Array.of(150, 152));
    copy.keepOf(newest, Int32Array.of(0, 1));
    expect(copy.entriesOf(1)).toBe(6);
    store.close();
    copy.close();
  });
});
