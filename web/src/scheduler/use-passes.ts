import { useEffect, useState } from "react";
import type { Pass } from "../api/contract.js";
import { type FeedState, follow } from "../api/live-feed.js";
import { usersOf } from "./pass-window.js";

/** Passes as they happen. Many may come between two drawings: the view gets them five times a second. */

export interface Passes {
  readonly passes: readonly Pass[];
  readonly users: readonly string[];
  readonly feed: FeedState;
}

const kept = 240;

export function usePasses(paused: boolean): Passes {
  const [state, setState] = useState<Passes>({ passes: [], users: [], feed: { name: "connecting" } });

  useEffect(() => {
    if (paused) return;
    let fresh: Pass[] = [];
    const end = follow("/v1/scheduler/events", {
      event(name, data) {
        if (name === "pass") fresh.push(data as Pass);
      },
      state: (feed) => setState((old) => ({ ...old, feed })),
    });
    const timer = setInterval(() => {
      if (fresh.length === 0 || document.hidden) {
        // A hidden tab does not draw, and need not remember more than it would draw.
        if (fresh.length > kept) fresh = fresh.slice(-kept);
        return;
      }
      const news = fresh;
      fresh = [];
      setState((old) => ({
        ...old,
        passes: [...old.passes, ...news].slice(-kept),
        users: usersOf(news, old.users),
      }));
    }, 200);
    return () => {
      end();
      clearInterval(timer);
    };
  }, [paused]);

  return state;
}
