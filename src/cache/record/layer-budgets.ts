/** CAKE's shares: how many entries each layer gets when a fixed total is split by preference. Pure arithmetic. */

/** The layers seen so far share `total` in proportion to their preferences, none more than `cap`. What caps cut off goes to the
 *  others in equal parts. */
export function allocate(preferences: readonly number[], total: number, cap: number): number[] {
  const sum = preferences.reduce((all, preference) => all + preference, 0);
  const usable = sum > 0 && Number.isFinite(sum);
  const raw = preferences.map((preference) =>
    Math.trunc(usable ? (preference / sum) * total : total / preferences.length),
  );
  const budgets = raw.map((share) => Math.min(share, cap));
  spread(
    budgets,
    raw.reduce((excess, share) => excess + Math.max(share - cap, 0), 0),
    cap,
  );
  spread(budgets, total - budgets.reduce((all, budget) => all + budget, 0), cap);
  while (budgets.some((budget) => budget > cap)) {
    for (const [layer, budget] of budgets.entries()) budgets[layer] = Math.min(budget, cap);
    spread(budgets, total - budgets.reduce((all, budget) => all + budget, 0), cap);
  }
  return budgets;
}

/** Gives `amount` in equal parts to those under the cap, one more to the first of them where it does not divide. */
function spread(budgets: number[], amount: number, cap: number): void {
  const open = [...budgets.keys()].filter((layer) => (budgets[layer] as number) < cap);
  if (amount <= 0 || open.length === 0) return;
  const part = Math.floor(amount / open.length);
  for (const [index, layer] of open.entries()) {
    budgets[layer] = (budgets[layer] as number) + part + (index < amount % open.length ? 1 : 0);
  }
}

/** Budgets as they come out when layers are cut again and again while later ones are still being read: what was dropped cannot
 *  come back, so each layer ends at its smallest budget. */
export function cascade(preferences: readonly number[], total: number, cap: number): number[] {
  const smallest = preferences.map(() => cap);
  for (let seen = 1; seen <= preferences.length; seen++) {
    for (const [layer, budget] of allocate(preferences.slice(0, seen), total, cap).entries())
      smallest[layer] = Math.min(smallest[layer] as number, budget);
  }
  return smallest;
}

/** Lifts every layer to `least`, entry by entry from the richest. In place. */
export function liftPoorest(budgets: number[], least: number): void {
  for (const [layer, budget] of budgets.entries()) {
    for (let missing = least - budget; missing > 0; missing--) {
      const richest = budgets.indexOf(Math.max(...budgets));
      if ((budgets[richest] as number) <= least) return;
      budgets[richest] = (budgets[richest] as number) - 1;
      budgets[layer] = (budgets[layer] as number) + 1;
    }
  }
}
