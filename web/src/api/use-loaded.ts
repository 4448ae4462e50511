import { useCallback, useEffect, useRef, useState } from "react";
import { preferences } from "../settings/preferences.js";

/** Something read from the server: kept while it is read again, read again when the key changes. */

export interface Loaded<Value> {
  readonly value: Value | undefined;
  readonly error: unknown;
  readonly loading: boolean;
  reload(): void;
}

export function useLoaded<Value>(
  read: (signal: AbortSignal) => Promise<Value>,
  /** A new key drops the old value. */
  key: string,
  every?: number,
): Loaded<Value> {
  const { key: apiKey } = preferences.use();
  const [state, setState] = useState<{ key: string; value?: Value; error?: unknown; loading: boolean }>({
    key,
    loading: true,
  });
  const [turn, setTurn] = useState(0);
  const latest = useRef(read);
  latest.current = read;

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new turn or key of the server means reading again
  useEffect(() => {
    const stop = new AbortController();
    setState((old) => (old.key === key ? { ...old, loading: true } : { key, loading: true }));
    latest
      .current(stop.signal)
      .then((value) => setState({ key, value, loading: false }))
      .catch((error: unknown) => {
        if (!stop.signal.aborted) {
          setState((old) => ({ key, value: old.key === key ? old.value : undefined, error, loading: false }));
        }
      });
    return () => stop.abort();
  }, [key, turn, apiKey]);

  useEffect(() => {
    if (every === undefined) return;
    const timer = setInterval(() => {
      if (!document.hidden) setTurn((old) => old + 1);
    }, every);
    return () => clearInterval(timer);
  }, [every]);

  const reload = useCallback(() => setTurn((old) => old + 1), []);
  const fresh = state.key === key;
  return {
    value: fresh ? state.value : undefined,
    error: fresh ? state.error : undefined,
    loading: fresh ? state.loading : true,
    reload,
  };
}
