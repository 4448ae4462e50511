import { afterAll, describe, expect, it } from "vitest";
import type { DType } from "../dtype.js";
import {
  at,
  closeTestDevice,
  expectClose,
  forSeeds,
  layouts,
  map,
  mapRows,
  type Plain,
  place,
  plain,
  randomPlain,
  randomShape,
  relativeError,
  run,
  sumOf,
} from "../reference.case.js";
import type { RopeOptions } from "./attention.js";

afterAll(closeTestDevice);

const softmaxRow = (row: number[]): number[] => {
  const most = Math.max(...row);
  const powers = row.map((v) => Math.exp(v - most));
  return powers.map((v) => v / sumOf(powers));
};

describe("softmax", () => {
  it("with scale and masks of every rank and type", async () => {
    await forSeeds(30, async (random) => {
      const x = randomPlain(random, randomShape(random), 2);
      const scale = random.pick([1, 0.3, -2]);
      const lead = x.shape.slice(0, -2).slice(random.int(0, 2));
      const maskShape = [...lead.map((size) => random.pick([1, size])), x.shape.at(-2) ?? 1, x.shape.at(-1) ?? 1];
      const mask = plain(maskShape, (index) =>
        (index.at(-1) ?? 0) > 0 && random.chance(0.3) ? Number.NEGATIVE_INFINITY : random.int(-2, 2),
      );
      const masked = random.chance(0.7);
      const logits = plain(
        x.shape,
        (index) => scale * at(x, index) + (masked ? at(mask, index.slice(-maskShape.length)) : 0),
      );
      const type = random.pick(["f32", "f16"] as const);
      const got = await run((g) =>
        place(g, x).softmax({ scale, mask: masked ? place(g, mask).cast(type) : undefined }),
      );
      expectClose(got, mapRows(logits, softmaxRow), 1e-5, `${x.shape} ${maskShape}`);
    });
  });

  it("refuses masks that do not fit", async () => {
    const x = plain([2, 3, 4], () => 1);
    const withMask = (shape: number[], type: DType = "f32") =>
      run((g) =>
        place(g, x).softmax({
          mask: place(
            g,
            plain(shape, () => 0),
          ).cast(type),
        }),
      );
    await expect(withMask([3, 5])).rejects.toThrow(/mask does not fit/);
    await expect(withMask([4, 4])).rejects.toThrow(/mask does not fit/);
    await expect(withMask([3, 3, 4])).rejects.toThrow(/cannot be repeated/);
    await expect(withMask([3, 4], "bf16")).rejects.toThrow(/cannot take bf16/);
    await expect(run((g) => place(g, x, "transposed").softmax())).rejects.toThrow(/without gaps/);
  });
});

/** Rotation of the first `dims` elements of each head, the plain way. */
function rotated(
  x: Plain,
  positions: readonly number[],
  options: Omit<RopeOptions, "frequencyFactors">,
  factors?: readonly number[],
): Plain {
  const { dims, theta, style, scale = 1 } = options;
  return plain(x.shape, (index) => {
    const i = index.at(-1) ?? 0;
    if (i >= dims) return at(x, index);
    const half = dims / 2;
    const pair = style === "neox" ? i % half : Math.floor(i / 2);
    const isFirst = style === "neox" ? i < half : i % 2 === 0;
    const position = positions[index.at(-3) ?? 0] ?? 0;
    const angle = (position * scale * theta ** ((-2 * pair) / dims)) / (factors?.[pair] ?? 1);
    const other = style === "neox" ? (isFirst ? i + half : i - half) : isFirst ? i + 1 : i - 1;
    const partner = at(x, [...index.slice(0, -1), other]);
    return at(x, index) * Math.cos(angle) + (isFirst ? -partner : partner) * Math.sin(angle);
  });
}

describe("rope", () => {
  it("both styles, part of a head, odd heads, frequency factors, batches", async () => {
    await forSeeds(40, async (random) => {
      const width = random.pick([2, 4, 6, 7, 9, 16]);
      const dims = 2 * random.int(1, Math.floor(width / 2));
      const n = random.int(1, 5);
      const x = randomPlain(random, [...(random.chance(0.3) ? [2] : []), n, random.int(1, 3), width]);
      const positions = Array.from({ length: n }, () => random.int(-5, 40));
      const factors = random.chance(0.5)
        ? Array.from({ length: dims / 2 }, () => Math.fround(1 + random.next()))
        : undefined;
      const options = {
        style: random.pick(["neox", "pairs"] as const),
        dims,
        theta: 100,
        scale: random.pick([1, 0.25]),
      };
      const layout = random.pick(layouts.slice(0, 3));
      const got = await run((g) =>
        place(g, x, layout).rope(g.constant(Int32Array.from(positions)), {
          ...options,
          frequencyFactors: factors === undefined ? undefined : g.constant(Float32Array.from(factors)),
        }),
      );
      expectClose(got, rotated(x, positions, options, factors), 2e-5, JSON.stringify({ ...options, width, layout }));
    });
  });

  it("f16 heads", async () => {
    await forSeeds(4, async (random) => {
      const x = randomPlain(random, [3, 2, 8]);
      const options = { style: "neox", dims: 6, theta: 1e4 } as const;
      const got = await run((g) =>
        place(g, x)
          .cast("f16")
          .rope(g.constant(Int32Array.of(0, 5, 9)), options),
      );
      expectClose(got, rotated(x, [0, 5, 9], options), 3e-3);
    });
  });

  it("refuses bad options", async () => {
    const x = plain([2, 1, 4], () => 1);
    const good: RopeOptions = { style: "neox", dims: 4, theta: 1e4 };
    const rope = (options: Partial<RopeOptions>, count = 2) =>
      run((g) => place(g, x).rope(g.constant(new Int32Array(count)), { ...good, ...options }));
    await expect(rope({ dims: 3 })).rejects.toThrow(/cannot rotate 3/);
    await expect(rope({ dims: 6 })).rejects.toThrow(/cannot rotate 6/);
    await expect(rope({ theta: 0 })).rejects.toThrow(/theta/);
    await expect(rope({}, 3)).rejects.toThrow(/one position a row/);
    await expect(rope({ style: "other" as "neox" })).rejects.toThrow(/no style/);
  });
});

/** softmax(q·kᵀ·scale + mask)·v, head by head; a row that may see nothing gives 0. Gives [n, H, dv]. */
function attention(q: Plain, k: Plain, v: Plain, scale: number, softcap: number, mask?: Plain): Plain {
  const [heads = 1, n = 1, d = 1] = q.shape.slice(-3);
  const [kvHeads = 1, entries = 1, dv = 1] = v.shape.slice(-3);
  const lead = q.shape.slice(0, -3);
  let weights: number[] = [];
  return plain([...lead, n, heads, dv], (index) => {
    const [row = 0, head = 0, column = 0] = index.slice(-3);
    const outer = index.slice(0, -3);
    const kvHead = Math.floor(head / (heads / kvHeads));
    if (column === 0) {
      const query = Array.from({ length: d }, (_, i) => at(q, [...outer, head, row, i]));
      const logits = Array.from({ length: entries }, (_, entry) => {
        const start = ((outer[0] ?? 0) * kvHeads + kvHead) * entries * d + entry * d;
        const dot = scale * query.reduce((sum, value, i) => sum + value * (k.data[start + i] ?? 0), 0);
        const capped = softcap > 0 ? softcap * Math.tanh(dot / softcap) : dot;
        return capped + (mask === undefined ? 0 : at(mask, [head, row, entry]));
      });
      weights = Math.max(...logits) === Number.NEGATIVE_INFINITY ? logits.map(() => 0) : softmaxRow(logits);
    }
    const start = ((outer[0] ?? 0) * kvHeads + kvHead) * entries * dv + column;
    return weights.reduce((sum, weight, entry) => sum + weight * (v.data[start + entry * dv] ?? 0), 0);
  });
}

describe("flashAttention", () => {
  const tolerances: Partial<Record<DType, number>> = { f32: 2e-5, f16: 5e-3, bf16: 2e-2, q8_0: 2e-2, q4_0: 0.25 };

  it.each(Object.entries(tolerances))("%s keys and values equal the plain computation", async (name, tolerance) => {
    const dtype = name as DType;
    await forSeeds(25, async (random) => {
      const quantised = dtype.startsWith("q");
      const widths = quantised ? [32, 64] : [1, 3, 4, 8, 16, 40, 64];
      const d = random.pick(widths);
      const dv = random.chance(0.7) ? d : random.pick(widths);
      const [kvHeads, group] = [random.int(1, 3), random.int(1, 3)];
      const n = random.pick([1, 2, 5, 33, 65]);
      const entries = random.pick([1, 2, 7, 64, 130, ...(n === 1 ? [513, 700] : [])]);
      const lead = random.chance(0.2) ? [2] : [];
      const q = randomPlain(random, [...lead, kvHeads * group, n, d]);
      const k = randomPlain(random, [...lead, kvHeads, entries, d]);
      const v = randomPlain(random, [...lead, kvHeads, entries, dv]);
      const maskHeads = random.pick([1, kvHeads * group]);
      const mask = random.chance(0.6)
        ? plain([maskHeads, n, entries], ([, row = 0, entry = 0]) =>
            entry > row + random.int(0, 3) ? Number.NEGATIVE_INFINITY : 0,
          )
        : undefined;
      const softcap = random.pick([0, 0, 5]);
      const [lq, lk] = [
        random.pick(layouts.slice(0, 3)),
        quantised ? ("plain" as const) : random.pick(layouts.slice(0, 3)),
      ];
      const got = await run((g) => {
        const place16 = (x: Plain) => (dtype === "f32" ? place(g, x, lk) : place(g, x, lk).cast(dtype));
        return place(g, q, lq).flashAttention(place16(k), place16(v), {
          scale: 0.4,
          softcap,
          mask:
            mask === undefined
              ? undefined
              : place(g, mask)
                  .reshape(...(maskHeads === 1 ? [n, entries] : mask.shape))
                  .cast("f16"),
        });
      });
      const wanted = attention(q, k, v, 0.4, softcap, mask);
      const error = relativeError(got, wanted);
      if (!(error <= tolerance))
        throw new Error(`error ${error}: d ${d} dv ${dv} n ${n} entries ${entries} mask ${mask?.shape} ${lq} ${lk}`);
    });
  });

  it("rows that may see nothing give 0", async () => {
    const x = plain([1, 2, 8], () => 1);
    const mask = plain([2, 2], ([row = 0]) => (row === 0 ? Number.NEGATIVE_INFINITY : 0));
    const got = await run((g) =>
      place(g, x).flashAttention(place(g, x), place(g, x), { scale: 1, mask: place(g, mask).cast("f16") }),
    );
    expectClose(
      got,
      map(
        plain([2, 8], ([row = 0]) => row),
        (v) => v,
      ),
    );
  });

  it("refuses what does not fit", async () => {
    const q = plain([4, 2, 8], () => 1);
    const attend = (k: number[], v: number[], mask?: number[]) =>
      run((g) =>
        place(g, q).flashAttention(
          place(
            g,
            plain(k, () => 1),
          ),
          place(
            g,
            plain(v, () => 1),
          ),
          {
            scale: 1,
            mask:
              mask === undefined
                ? undefined
                : place(
                    g,
                    plain(mask, () => 0),
                  ).cast("f16"),
          },
        ),
      );
    await expect(attend([3, 5, 8], [3, 5, 8])).rejects.toThrow(/come in groups/);
    await expect(attend([2, 5, 4], [2, 5, 4])).rejects.toThrow(/differ in width/);
    await expect(attend([2, 5, 8], [2, 6, 8])).rejects.toThrow(/keys and values differ/);
    await expect(attend([2, 5, 8], [2, 5, 8], [2, 4])).rejects.toThrow(/mask does not fit/);
    await expect(attend([2, 5, 8], [2, 5, 8], [3, 2, 5])).rejects.toThrow(/cannot be repeated/);
  });
});
