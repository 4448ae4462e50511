/** Fairness between users: each has a count of the rows that were computed for them, and the next free seat goes to the user with the
 *  smallest. Who comes back after a pause begins at the smallest count of those present, so that nobody saves up a claim. Within a
 *  user the order is that of arrival, and so it is between users with equal counts. */

export interface Waiting {
  readonly id: number;
  readonly user: string;
  readonly rows: number;
  readonly arrival: number;
}

export class FairShare {
  readonly #served = new Map<string, number>();
  /** Requests that each user has in the engine. */
  readonly #present = new Map<string, number>();

  /** A request of this user came in. */
  enter(user: string): void {
    const present = this.#present.get(user) ?? 0;
    if (present === 0) this.#served.set(user, Math.max(this.served(user), this.#least()));
    this.#present.set(user, present + 1);
  }

  leave(user: string): void {
    const present = (this.#present.get(user) ?? 0) - 1;
    if (present > 0) {
      this.#present.set(user, present);
      return;
    }
    this.#present.delete(user);
    // Of users who left only those are remembered whose count still says something.
    const least = this.#least();
    for (const [name, rows] of this.#served) {
      if (!this.#present.has(name) && (this.#present.size === 0 || rows <= least)) this.#served.delete(name);
    }
  }

  serve(user: string, rows: number): void {
    this.#served.set(user, this.served(user) + rows);
  }

  served(user: string): number {
    return this.#served.get(user) ?? 0;
  }

  /** Who is admitted first, second, ...: each one's rows count at once, as if they had been served. */
  *order<Request extends Waiting>(waiting: readonly Request[]): Generator<Request, void> {
    const queues = new Map<string, Request[]>();
    // Latest first, so that the next of a user is the last of the list.
    for (const request of [...waiting].sort((a, b) => b.arrival - a.arrival)) {
      const queue = queues.get(request.user);
      if (queue === undefined) queues.set(request.user, [request]);
      else queue.push(request);
    }
    const counts = new Map([...queues.keys()].map((user) => [user, this.served(user)]));
    while (queues.size > 0) {
      let first: string | undefined;
      for (const user of queues.keys())
        if (first === undefined || comesBefore(user, first, queues, counts)) first = user;
      const user = first as string;
      const queue = queues.get(user) as Request[];
      const request = queue.pop() as Request;
      counts.set(user, (counts.get(user) ?? 0) + request.rows);
      if (queue.length === 0) queues.delete(user);
      yield request;
    }
  }

  #least(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const user of this.#present.keys()) least = Math.min(least, this.served(user));
    return Number.isFinite(least) ? least : 0;
  }
}

function comesBefore(
  user: string,
  other: string,
  queues: ReadonlyMap<string, readonly Waiting[]>,
  counts: ReadonlyMap<string, number>,
): boolean {
  const difference = (counts.get(user) ?? 0) - (counts.get(other) ?? 0);
  if (difference !== 0) return difference < 0;
  return (queues.get(user)?.at(-1)?.arrival ?? 0) < (queues.get(other)?.at(-1)?.arrival ?? 0);
}
