import { expect } from "vitest";

/** The largest difference between two lists of equal length; infinite where one is not a number. */
export const worst = (got: ArrayLike<number> | undefined, want: ArrayLike<number>): number => {
  expect(got?.length).toBe(want.length);
  let most = 0;
  for (let i = 0; i < want.length; i++) {
    const difference = Math.abs(((got as ArrayLike<number>)[i] as number) - (want[i] as number));
    most = Math.max(most, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
  }
  return most;
};
