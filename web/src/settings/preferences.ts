import { createStore } from "../app/store.js";

/** What a person set in this browser: the key, the theme, whether single keys act as shortcuts, and the default for new chats. */

export interface Preferences {
  readonly key: string;
  readonly theme: "system" | "light" | "dark";
  readonly singleKeys: boolean;
}

export const preferences = createStore<Preferences>("quire.preferences", {
  key: "",
  theme: "system",
  singleKeys: true,
});

export function showTheme({ theme }: Preferences): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}
