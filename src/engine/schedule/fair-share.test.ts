import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FairShare } from "./fair-share.js";
import { sarathi } from "./sarathi.js";
import { virtualRun } from "./virtual-engine.case.js";

const names = (fair: FairShare, list: readonly [user: string, rows: number][]) =>
  [...fair.order(list.map(([user, rows], id) => ({ id, user, rows, arrival: id })))].map(
    ({ id, user }) => `${user}${id}`,
  );

describe("fair share", () => {
  it("is the order of arrival for one user, and for users who have had nothing", () => {
    const fair = new FairShare();
    expect(
      names(fair, [
        ["a", 10],
        ["a", 5],
        ["a", 7],
      ]),
    ).toEqual(["a0", "a1", "a2"]);
    expect(
      names(fair, [
        ["a", 10],
        ["b", 10],
        ["c", 10],
      ]),
    ).toEqual(["a0", "b1", "c2"]);
  });

  it("lets a user with one request pass one with many", () => {
    expect(
      names(new FairShare(), [
        ["a", 10],
        ["a", 10],
        ["a", 10],
        ["b", 10],
      ]),
    ).toEqual(["a0", "b3", "a1", "a2"]);
  });

  it("prefers who was served less, and weighs by rows", () => {
    const fair = new FairShare();
    fair.enter("a");
    fair.enter("b");
    fair.serve("a", 100);
    expect(
      names(fair, [
        ["a", 10],
        ["b", 60],
        ["b", 60],
        ["b", 60],
      ]),
    ).toEqual(["b1", "b2", "a0", "b3"]);
  });

  it("gives nobody credit for having been away", () => {
    const fair = new FairShare();
    fair.enter("a");
    fair.serve("a", 1000);
    fair.enter("b");
    expect(fair.served("b")).toBe(1000);
    fair.leave("b");
    fair.enter("b");
    expect(fair.served("b")).toBe(1000);
    fair.leave("a");
    fair.leave("b");
    expect(fair.served("a")).toBe(0);
  });

  it("holds every request once, and each user's in order", () => {
    const waiting = fc.array(
      fc.record({ user: fc.constantFrom("a", "b", "c"), rows: fc.integer({ min: 1, max: 50 }) }),
    );
    fc.assert(
      fc.property(waiting, fc.integer({ min: 0, max: 100 }), (list, served) => {
        const fair = new FairShare();
        fair.serve("b", served);
        const ordered = [...fair.order(list.map((request, id) => ({ ...request, id, arrival: id })))];
        expect(ordered.map(({ id }) => id).sort((x, y) => x - y)).toEqual(list.map((_, id) => id));
        for (const user of ["a", "b", "c"]) {
          const own = ordered.filter((request) => request.user === user).map(({ id }) => id);
          expect(own).toEqual([...own].sort((x, y) => x - y));
        }
      }),
    );
  });

  it("one who asks once is not behind thirty requests of another", () => {
    const flood = Array.from({ length: 30 }, () => ({ promptRows: 100, outputTokens: 4, user: "flood" }));
    const single = { promptRows: 100, outputTokens: 4, user: "single", arrivesMs: 1 };
    const planner = sarathi({ budget: 32 }).planner({ maxSequences: 4 });
    const { tokensMs } = virtualRun(planner, [...flood, single], { maxSequences: 4 });
    const earlier = flood.filter((_, id) => (tokensMs[id]?.[0] as number) < (tokensMs[30]?.[0] as number));
    expect(earlier.length).toBeLessThanOrEqual(4);
  });
});
