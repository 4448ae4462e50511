import { useSyncExternalStore } from "react";
import { preferences } from "../settings/preferences.js";
import { IconButton } from "../ui/Button.js";

const darkSystem = matchMedia("(prefers-color-scheme: dark)");

const subscribe = (listener: () => void) => {
  darkSystem.addEventListener("change", listener);
  return () => darkSystem.removeEventListener("change", listener);
};

/** Switches between light and dark; back to the system's own in the settings. */
export function ThemeButton() {
  const { theme } = preferences.use();
  const systemIsDark = useSyncExternalStore(subscribe, () => darkSystem.matches);
  const dark = theme === "system" ? systemIsDark : theme === "dark";
  return (
    <IconButton
      icon={dark ? "sun" : "moon"}
      label={dark ? "Light theme" : "Dark theme"}
      onClick={() => preferences.set({ theme: dark ? "light" : "dark" })}
    />
  );
}
