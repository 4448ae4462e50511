import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FairQueue, type Ticket } from "./fair-queue.js";

const settle = () => new Promise((resolve) => setImmediate(resolve));

/** Enters and notes in `order` when the turn comes. */
function enter(queue: FairQueue, user: string, order: string[], name = user, signal?: AbortSignal): Ticket {
  const ticket = queue.enter(user, signal);
  ticket.turn.then(
    () => order.push(name),
    () => {},
  );
  return ticket;
}

describe("the queue before the engine", () => {
  it("lets users take turns, whoever sent more", async () => {
    const queue = new FairQueue({ running: 1, waiting: 100 });
    const order: string[] = [];
    const tickets = [
      ...["a1", "a2", "a3", "a4"].map((name) => enter(queue, "a", order, name)),
      ...["b1", "b2"].map((name) => enter(queue, "b", order, name)),
      enter(queue, "c", order, "c1"),
    ];
    for (let i = 0; i < tickets.length; i++) {
      await settle();
      const last = order.at(-1)!;
      tickets[["a1", "a2", "a3", "a4", "b1", "b2", "c1"].indexOf(last)]!.leave();
    }
    expect(order).toEqual(["a1", "a2", "b1", "c1", "a3", "b2", "a4"]);
    expect([queue.running, queue.waiting]).toEqual([0, 0]);
  });

  it("is bounded, and says when to come back", () => {
    const queue = new FairQueue({ running: 1, waiting: 2 });
    for (let i = 0; i < 3; i++) queue.enter("a").turn.catch(() => {});
    expect(() => queue.enter("a")).toThrow(
      expect.objectContaining({ status: 429, headers: { "retry-after": expect.stringMatching(/^\d+$/) } }),
    );
  });

  it("keeps room for others", () => {
    const queue = new FairQueue({ running: 1, waiting: 4 });
    queue.enter("b");
    for (let i = 0; i < 2; i++) queue.enter("a");
    expect(() => queue.enter("a")).toThrow(expect.objectContaining({ status: 429 }));
    expect(() => queue.enter("c")).not.toThrow();
  });

  it("forgets who stops waiting", async () => {
    const queue = new FairQueue({ running: 1, waiting: 4 });
    const first = queue.enter("a");
    const stop = new AbortController();
    const second = queue.enter("b", stop.signal);
    stop.abort();
    await expect(second.turn).rejects.toMatchObject({ code: "cancelled" });
    second.leave();
    expect([queue.running, queue.waiting]).toEqual([1, 0]);
    first.leave();
    first.leave();
    expect(queue.running).toBe(0);
  });

  it("holds its counts through any order of events", async () => {
    const event = fc.record({ user: fc.integer({ min: 0, max: 3 }), act: fc.constantFrom("enter", "leave", "abort") });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 60 }), async (events) => {
        const queue = new FairQueue({ running: 2, waiting: 5 });
        const open: { ticket: Ticket; stop: AbortController }[] = [];
        for (const { user, act } of events) {
          if (act === "enter") {
            const stop = new AbortController();
            try {
              const ticket = queue.enter(String(user), stop.signal);
              ticket.turn.catch(() => {});
              open.push({ ticket, stop });
            } catch (error) {
              expect(error).toMatchObject({ status: 429 });
            }
          } else if (open.length > 0) {
            const one = open[user % open.length]!;
            if (act === "abort") one.stop.abort();
            else {
              one.ticket.leave();
              open.splice(open.indexOf(one), 1);
            }
          }
          expect(queue.running).toBeLessThanOrEqual(2);
          expect(queue.waiting).toBeLessThanOrEqual(5);
          // Nobody waits while there is room.
          if (queue.waiting > 0) expect(queue.running).toBe(2);
        }
        for (const { ticket } of open) ticket.leave();
        expect([queue.running, queue.waiting]).toEqual([0, 0]);
      }),
      { numRuns: 100 },
    );
  });
});
