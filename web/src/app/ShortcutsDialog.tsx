import { Fragment } from "react";
import { linkTo } from "../app/route.js";
import { preferences } from "../settings/preferences.js";
import { Dialog } from "../ui/Dialog.js";
import { activeShortcuts } from "./shortcuts.js";

const always = [
  { group: "While writing", keys: "Enter", words: "Send" },
  { group: "While writing", keys: "Shift Enter", words: "New line" },
  { group: "While writing", keys: "Esc", words: "Stop the reply, close a panel" },
];

/** The keys that do something on the page that is shown. */
export function ShortcutsDialog({ onClose }: { onClose: () => void }) {
  const all = [...activeShortcuts(), ...always];
  const groups = [...new Set(all.map(({ group }) => group))].sort((a, b) => order(a) - order(b));
  return (
    <Dialog title="Shortcuts" onClose={onClose}>
      {!preferences.get().singleKeys && (
        <p className="field-hint">
          Single keys are switched off in the <a href={linkTo("settings")}>settings</a>.
        </p>
      )}
      {groups.map((group) => (
        <Fragment key={group}>
          <h3 className="shortcut-group">{group}</h3>
          <dl className="shortcut-list">
            {all
              .filter((one) => one.group === group)
              .map(({ keys, words }) => (
                <Fragment key={keys}>
                  <dt>{words}</dt>
                  <dd>
                    {keys.split(" ").map((key) => (
                      <kbd key={key}>{key}</kbd>
                    ))}
                  </dd>
                </Fragment>
              ))}
          </dl>
        </Fragment>
      ))}
    </Dialog>
  );
}

const order = (group: string): number => (group === "Everywhere" ? 2 : group === "While writing" ? 1 : 0);
