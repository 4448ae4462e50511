import { type ReactNode, Suspense, useEffect, useRef, useState } from "react";
import { AskPage } from "../ask/AskPage.js";
import { ChatPage } from "../chat/ChatPage.js";
import { CorporaPage } from "../corpora/CorporaPage.js";
import { InsidePage } from "../inside/InsidePage.js";
import { MapPage } from "../map-page/MapPage.js";
import { ModelsPage } from "../models/ModelsPage.js";
import { SchedulerPage } from "../scheduler/SchedulerPage.js";
import { preferences, showTheme } from "../settings/preferences.js";
import { SettingsPage } from "../settings/SettingsPage.js";
import { ErrorBoundary } from "./ErrorBoundary.js";
import { KeyDialog } from "./KeyDialog.js";
import { Navigation, pageNames } from "./Navigation.js";
import { go, type PageName, useRoute } from "./route.js";
import { ShortcutsDialog } from "./ShortcutsDialog.js";
import { useShortcut } from "./shortcuts.js";

const shown: Record<PageName, () => ReactNode> = {
  chat: () => <ChatPage />,
  ask: () => <AskPage />,
  corpora: () => <CorporaPage />,
  map: () => <MapPage />,
  scheduler: () => <SchedulerPage />,
  inside: () => <InsidePage />,
  models: () => <ModelsPage />,
  settings: () => <SettingsPage />,
};

/** The frame around all pages. */
export function App() {
  const { page } = useRoute();
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const [help, setHelp] = useState(false);
  const set = preferences.use();

  useEffect(() => showTheme(set), [set]);

  useEffect(() => {
    document.title = `${pageNames[page]} · Quire`;
    // Another page: those who use keys or a screen reader begin at its start. The first one is left alone.
    if (!first.current) main.current?.focus();
    first.current = false;
  }, [page]);

  useShortcut("?", "Everywhere", "Show the shortcuts", () => setHelp(true));
  useShortcut("g c", "Everywhere", "Chat", () => go("chat"));
  useShortcut("g a", "Everywhere", "Ask a corpus", () => go("ask"));
  useShortcut("g o", "Everywhere", "Corpora", () => go("corpora"));
  useShortcut("g m", "Everywhere", "Map", () => go("map"));
  useShortcut("g s", "Everywhere", "Scheduler", () => go("scheduler"));
  useShortcut("g i", "Everywhere", "Inside", () => go("inside"));
  useShortcut("g e", "Everywhere", "Models and methods", () => go("models"));
  useShortcut("g ,", "Everywhere", "Settings", () => go("settings"));

  return (
    <div className="shell">
      {/* biome-ignore lint/a11y/useValidAnchor: a skip link is a link to readers of the page; the hash holds the route */}
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the content
      </a>
      <Navigation page={page} onHelp={() => setHelp(true)} />
      <main className="page" id="main" ref={main} tabIndex={-1} aria-label={pageNames[page]}>
        <ErrorBoundary key={page}>
          <Suspense>{shown[page]()}</Suspense>
        </ErrorBoundary>
      </main>
      {help && <ShortcutsDialog onClose={() => setHelp(false)} />}
      <KeyDialog />
    </div>
  );
}
