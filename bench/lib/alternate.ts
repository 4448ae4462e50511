/** Runs contenders in turn, A B B A, so that drift of the machine (heat, other programs) falls on all alike. */

export interface Turns<Task, Result> {
  readonly contenders: readonly { readonly name: string; run(task: Task): Promise<Result> }[];
  readonly task: Task;
  readonly rounds: number;
  /** Runs of each whose results are thrown away. */
  readonly warmUps?: number;
  onRound?(done: number, total: number): void;
}

/** Results by contender, then by round. */
export async function alternate<Task, Result>(turns: Turns<Task, Result>): Promise<Map<string, Result[]>> {
  const { contenders, task, rounds, warmUps = 1, onRound } = turns;
  const results = new Map<string, Result[]>(contenders.map(({ name }) => [name, []]));
  for (let warmUp = 0; warmUp < warmUps; warmUp++) for (const { run } of contenders) await run(task);
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? contenders : [...contenders].reverse();
    for (const { name, run } of order) results.get(name)?.push(await run(task));
    onRound?.(round + 1, rounds);
  }
  return results;
}
