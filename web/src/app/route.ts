import { useSyncExternalStore } from "react";

/** Where the page is, kept in the address's hash: `#/ask/corpus-id?file=a.md`. The server has to know one address only. */

export const pages = ["chat", "ask", "corpora", "map", "scheduler", "inside", "models", "settings"] as const;

export type PageName = (typeof pages)[number];

export interface Route {
  readonly page: PageName;
  /** What follows the page's name: a conversation, a corpus. */
  readonly id: string | undefined;
}

export function parseRoute(hash: string): Route {
  const [page, id] = hash.replace(/^#\/?/, "").split("/");
  const known = pages.find((name) => name === page);
  return { page: known ?? "chat", id: known === undefined || id === undefined || id === "" ? undefined : decoded(id) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function linkTo(page: PageName, id?: string): string {
  return id === undefined ? `#/${page}` : `#/${page}/${encodeURIComponent(id)}`;
}

export function go(page: PageName, id?: string): void {
  location.hash = linkTo(page, id);
}

/** Changes the address without a new entry in the history. */
export function replace(page: PageName, id?: string): void {
  history.replaceState(null, "", linkTo(page, id));
  dispatchEvent(new HashChangeEvent("hashchange"));
}

const subscribe = (listener: () => void) => {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
};

export function useRoute(): Route {
  return parseRoute(useSyncExternalStore(subscribe, () => location.hash));
}

/** What the address names on this page. Undefined while the address already belongs to another one. */
export function useIdOn(page: PageName): string | undefined {
  const route = useRoute();
  return route.page === page ? route.id : undefined;
}
