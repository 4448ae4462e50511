import type { Pass } from "../api/contract.js";

/** The newest passes and what they add up to. */

export interface Part {
  /** Undefined for decode rows, which the server counts for all together. */
  readonly user: string | undefined;
  readonly rows: number;
}

/** Decode rows first, then one part a user, in the order in which users were first seen. */
export function partsOf(pass: Pass, users: readonly string[]): Part[] {
  const rows = new Map<string, number>();
  for (const slice of pass.slices) rows.set(slice.user, (rows.get(slice.user) ?? 0) + slice.rows);
  const parts: Part[] = pass.decode_rows > 0 ? [{ user: undefined, rows: pass.decode_rows }] : [];
  for (const user of users) {
    const count = rows.get(user);
    if (count !== undefined) parts.push({ user, rows: count });
  }
  return parts;
}

export const rowsOf = (pass: Pass): number => pass.decode_rows + pass.slices.reduce((sum, { rows }) => sum + rows, 0);

/** Users in the order of their first slice, those known before first: a user keeps a colour while it is watched. */
export function usersOf(passes: readonly Pass[], before: readonly string[]): readonly string[] {
  const users = [...before];
  for (const { slices } of passes) for (const { user } of slices) if (!users.includes(user)) users.push(user);
  return users.length === before.length ? before : users;
}

/** The value below which a share of the passes stay. */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

/** A round number at or above the largest, for the axis. */
export function roundedUp(most: number): number {
  if (most <= 4) return 4;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [1, 2, 4, 5, 8, 10].find((factor) => factor * power >= most) ?? 10;
  return step * power;
}
