import { useEffect, useSyncExternalStore } from "react";
import type { ServerState } from "../api/contract.js";
import { readServer } from "../api/server.js";
import { preferences } from "../settings/preferences.js";

/** The server's state, asked for by one timer for all who show it. */

interface Known {
  readonly value: ServerState | undefined;
  readonly error: unknown;
}

let known: Known = { value: undefined, error: undefined };
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

async function ask(): Promise<void> {
  if (document.hidden) return;
  try {
    known = { value: await readServer(), error: undefined };
  } catch (error) {
    known = { value: known.value, error };
  }
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  if (timer === undefined) {
    void ask();
    timer = setInterval(() => void ask(), 10_000);
  }
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

export function useServer(): Known {
  const { key } = preferences.use();
  // biome-ignore lint/correctness/useExhaustiveDependencies: another key may open what was closed
  useEffect(() => void ask(), [key]);
  return useSyncExternalStore(subscribe, () => known);
}
