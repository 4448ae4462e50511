import { useSyncExternalStore } from "react";
import { read, write } from "../app/store.js";
import { type Parameters, readParameters } from "./parameters.js";

/** All conversations, in memory and in localStorage. Saved a moment after a change, since a reply changes many times a second. */

export interface ReplyStats {
  readonly model: string;
  readonly promptTokens?: number;
  readonly cachedTokens?: number;
  readonly completionTokens?: number;
  /** Milliseconds until the first piece of text came, and until the last. */
  readonly first?: number;
  readonly whole?: number;
  readonly cache?: string;
  readonly decoder?: string;
  /** What the server says of itself under `quire`. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface Turn {
  readonly id: string;
  readonly role: "user" | "assistant";
  readonly content: string;
  readonly state: "done" | "writing" | "stopped" | "failed";
  readonly finish?: string;
  readonly problem?: { readonly message: string; readonly code?: string };
  readonly stats?: ReplyStats;
}

export interface Conversation {
  readonly id: string;
  readonly title: string;
  readonly changed: number;
  readonly turns: readonly Turn[];
  readonly parameters: Parameters;
}

const place = "quire.conversations";
const most = 200;

let all: readonly Conversation[] = load();
let saved = true;
let timer: ReturnType<typeof setTimeout> | undefined;
let frame = 0;
const listeners = new Set<() => void>();

export const newId = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(36).padStart(2, "0")).join("");

function load(): readonly Conversation[] {
  const { list } = read<{ list: Conversation[] }>(place);
  if (!Array.isArray(list)) return [];
  return list
    .filter((one) => typeof one?.id === "string" && Array.isArray(one.turns))
    .map((one) => ({
      ...one,
      // Whatever was being written when the page went away is not written any more.
      turns: one.turns.map((turn) => (turn.state === "writing" ? { ...turn, state: "stopped" as const } : turn)),
    }));
}

function changed(): void {
  if (timer === undefined) timer = setTimeout(save, 600);
  // Many pieces of text may come between two frames: components hear of them once.
  if (frame === 0) {
    frame = requestAnimationFrame(() => {
      frame = 0;
      for (const listener of listeners) listener();
    });
  }
}

function save(): void {
  clearTimeout(timer);
  timer = undefined;
  saved = write(place, { list: all });
}

globalThis.addEventListener?.("pagehide", save);

export const conversations = {
  get: (id: string): Conversation | undefined => all.find((one) => one.id === id),

  /** False when the browser would not keep them. */
  areSaved: (): boolean => saved,

  begin(parameters: Parameters): Conversation {
    const begun: Conversation = { id: newId(), title: "New conversation", changed: Date.now(), turns: [], parameters };
    all = [begun, ...all].slice(0, most);
    changed();
    return begun;
  },

  update(id: string, change: (conversation: Conversation) => Partial<Conversation>): void {
    all = all.map((one) => (one.id === id ? { ...one, ...change(one) } : one));
    changed();
  },

  updateTurn(id: string, turnId: string, change: (turn: Turn) => Partial<Turn>): void {
    conversations.update(id, ({ turns }) => ({
      turns: turns.map((turn) => (turn.id === turnId ? { ...turn, ...change(turn) } : turn)),
    }));
  },

  remove(id: string): void {
    all = all.filter((one) => one.id !== id);
    changed();
  },

  clear(): void {
    all = [];
    changed();
    save();
  },
};

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export function useConversations(): readonly Conversation[] {
  return useSyncExternalStore(subscribe, () => all);
}

export function useConversation(id: string | undefined): Conversation | undefined {
  const list = useConversations();
  return id === undefined ? undefined : list.find((one) => one.id === id);
}

/** The parameters of the newest conversation serve the next one. */
export const nextParameters = (): Parameters => all[0]?.parameters ?? readParameters({});

export function titleOf(text: string): string {
  const line = text.trim().split(/\n/)[0]?.replace(/\s+/g, " ") ?? "";
  return line.length > 60 ? `${line.slice(0, 57).trimEnd()}…` : line === "" ? "New conversation" : line;
}
