import { useEffect, useRef } from "react";
import { preferences } from "../settings/preferences.js";

/** Single keys that act while nothing is being written; "g c" is g, then c. They can be switched off in the settings. */

interface Shortcut {
  readonly keys: string;
  readonly group: string;
  readonly words: string;
  readonly act: () => void;
}

const active = new Set<Shortcut>();
let before: { key: string; at: number } | undefined;

export function useShortcut(keys: string, group: string, words: string, act: () => void): void {
  const latest = useRef(act);
  latest.current = act;
  useEffect(() => {
    const shortcut = { keys, group, words, act: () => latest.current() };
    active.add(shortcut);
    return () => {
      active.delete(shortcut);
    };
  }, [keys, group, words]);
}

export const activeShortcuts = (): readonly Shortcut[] => [...active];

globalThis.addEventListener?.("keydown", (event: KeyboardEvent) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (!preferences.get().singleKeys || isWriting(event.target) || document.querySelector("dialog[open]") !== null)
    return;
  const sequence =
    before !== undefined && event.timeStamp - before.at < 1200 ? `${before.key} ${event.key}` : event.key;
  const found = [...active].find(({ keys }) => keys === sequence) ?? [...active].find(({ keys }) => keys === event.key);
  before = found === undefined && event.key.length === 1 ? { key: event.key, at: event.timeStamp } : undefined;
  if (found === undefined) return;
  event.preventDefault();
  found.act();
});

function isWriting(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName);
}
