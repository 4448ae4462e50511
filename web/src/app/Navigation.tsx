import { useState } from "react";
import { IconButton } from "../ui/Button.js";
import { Dialog } from "../ui/Dialog.js";
import { Icon, type IconName } from "../ui/Icon.js";
import { Logo } from "../ui/Logo.js";
import { linkTo, type PageName, pages } from "./route.js";
import { ServerBadge } from "./ServerBadge.js";
import { ThemeButton } from "./ThemeButton.js";

export const pageNames: Record<PageName, string> = {
  chat: "Chat",
  ask: "Ask",
  corpora: "Corpora",
  map: "Map",
  scheduler: "Scheduler",
  inside: "Inside",
  models: "Models",
  settings: "Settings",
};

const icons: Record<PageName, IconName> = {
  chat: "chat",
  ask: "ask",
  corpora: "corpora",
  map: "map",
  scheduler: "scheduler",
  inside: "inside",
  models: "models",
  settings: "settings",
};

/** The way to the pages: a rail at the side, or on a narrow screen a bar with a menu. */
export function Navigation({ page, onHelp }: { page: PageName; onHelp: () => void }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <div className="rail">
        <a className="rail-home" href={linkTo("chat")} aria-label="Quire">
          <Logo size={30} />
          <span aria-hidden="true">Quire</span>
        </a>
        <nav className="rail-links" aria-label="Pages">
          <PageLinks page={page} />
        </nav>
        <div className="rail-foot">
          <ServerBadge />
          <ThemeButton />
          <button type="button" className="icon-button" aria-label="Shortcuts" title="Shortcuts (?)" onClick={onHelp}>
            <kbd>?</kbd>
          </button>
        </div>
      </div>
      <header className="topbar">
        <IconButton icon="menu" label="Menu" aria-expanded={open} onClick={() => setOpen(true)} />
        <a className="topbar-name" href={linkTo("chat")}>
          <Logo size={24} />
          Quire
        </a>
        <ThemeButton />
      </header>
      {open && (
        <Dialog title="Quire" look="side" onClose={() => setOpen(false)}>
          <nav className="menu-links" aria-label="Pages">
            <PageLinks page={page} onFollow={() => setOpen(false)} />
          </nav>
          <div className="rail-foot">
            <ServerBadge />
          </div>
        </Dialog>
      )}
    </>
  );
}

function PageLinks({ page, onFollow }: { page: PageName; onFollow?: () => void }) {
  return pages.map((name) => (
    <a
      key={name}
      className="rail-link"
      href={linkTo(name)}
      aria-current={name === page ? "page" : undefined}
      onClick={onFollow}
    >
      <Icon name={icons[name]} size={22} />
      {pageNames[name]}
    </a>
  ));
}
