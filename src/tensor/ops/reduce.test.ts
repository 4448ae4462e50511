import { afterAll, describe, expect, it } from "vitest";
import {
  closeTestDevice,
  expectClose,
  forSeeds,
  layouts,
  mapRows,
  place,
  plain,
  randomPlain,
  randomShape,
  run,
  sumOf,
} from "../reference.case.js";

afterAll(closeTestDevice);

describe("reductions", () => {
  it("sum, sumRows, mean", async () => {
    await forSeeds(20, async (random) => {
      const x = randomPlain(random, randomShape(random));
      const layout = random.pick(layouts.slice(0, 3));
      expectClose(await run((g) => place(g, x, layout).sum()), [sumOf(x.data)], 2e-5, layout);
      expectClose(
        await run((g) => place(g, x, layout).sumRows()),
        mapRows(x, (row) => [sumOf(row)]),
        2e-5,
        layout,
      );
      expectClose(
        await run((g) => place(g, x, layout).mean()),
        mapRows(x, (row) => [sumOf(row) / row.length]),
        2e-5,
        layout,
      );
    });
  });

  it("cumsum", async () => {
    await forSeeds(10, async (random) => {
      const x = randomPlain(random, randomShape(random));
      const wanted = mapRows(x, (row) => row.map((_, end) => sumOf(row.slice(0, end + 1))));
      expectClose(await run((g) => place(g, x).cumsum()), wanted, 2e-5);
    });
  });

  it("argmax", async () => {
    await forSeeds(10, async (random) => {
      const x = randomPlain(random, randomShape(random, 2));
      const wanted = mapRows(x, (row) => [row.indexOf(Math.max(...row))]);
      expect(await run((g) => place(g, x).argmax())).toEqual([...wanted.data]);
    });
  });

  it("refuse what ggml cannot do", async () => {
    const x = plain([2, 3], () => 1);
    await expect(run((g) => place(g, x, "transposed").sumRows())).rejects.toThrow(/rows without gaps/);
    await expect(run((g) => place(g, x, "transposed").cumsum())).rejects.toThrow(/without gaps/);
    await expect(
      run((g) =>
        place(
          g,
          plain([1, 2, 3], () => 1),
        ).argmax(),
      ),
    ).rejects.toThrow(/needs a matrix/);
    await expect(run((g) => place(g, x).cast("f16").mean())).rejects.toThrow(/cannot take f16/);
  });
});
