import type { Pass } from "../api/contract.js";

/** The newest passes and what they add up to. */

export interface Part {
  readonly user: string;
  readonly rows: number;
}

/** What was read of prompts in a pass: one part a user, in the order in which users were first seen. */
export function promptParts(pass: Pass, users: readonly string[]): Part[] {
  const rows = new Map<string, number>();
  for (const slice of pass.slices) rows.set(slice.user, (rows.get(slice.user) ?? 0) + slice.rows);
  const parts: Part[] = [];
  for (const user of users) {
    const count = rows.get(user);
    if (count !== undefined) parts.push({ user, rows: count });
  }
  return parts;
}

export const promptRows = ({ slices }: Pass): number => slices.reduce((sum, { rows }) => sum + rows, 0);

export const rowsOf = (pass: Pass): number => pass.decode_rows + promptRows(pass);

/** Requests of other keys are counted, but not by name. */
export const shownUser = (user: string): string => (user === "" ? "others" : user);

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
  const step = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((factor) => factor * power >= most) ?? 10;
  return step * power;
}
