import { useSyncExternalStore } from "react";

/** A value kept in localStorage and shared by all components, and by other tabs of the same page. */

export interface Store<Value> {
  get(): Value;
  set(change: Partial<Value> | ((value: Value) => Value)): void;
  use(): Value;
  subscribe(listener: () => void): () => void;
}

export function createStore<Value extends object>(name: string, initial: Value): Store<Value> {
  let value = { ...initial, ...read<Value>(name) };
  const listeners = new Set<() => void>();
  const tell = () => {
    for (const listener of listeners) listener();
  };
  const subscribe = (listener: () => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  globalThis.addEventListener?.("storage", (event: StorageEvent) => {
    if (event.key !== name) return;
    value = { ...initial, ...read<Value>(name) };
    tell();
  });
  return {
    get: () => value,
    set(change) {
      value = typeof change === "function" ? change(value) : { ...value, ...change };
      write(name, value);
      tell();
    },
    use: () => useSyncExternalStore(subscribe, () => value),
    subscribe,
  };
}

export function read<Value>(name: string): Partial<Value> {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(name) ?? "{}");
    return typeof found === "object" && found !== null ? (found as Partial<Value>) : {};
  } catch {
    return {};
  }
}

/** False when the browser keeps nothing: private windows, full storage. The page goes on without. */
export function write(name: string, value: unknown): boolean {
  try {
    localStorage.setItem(name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}
