import { useState } from "react";
import { forgetQuestions } from "../ask/earlier-questions.js";
import { conversations, useConversations } from "../chat/conversations.js";
import { counted } from "../ui/amounts.js";
import { Button } from "../ui/Button.js";
import { Dialog } from "../ui/Dialog.js";
import { Field } from "../ui/Field.js";
import { Icon, type IconName } from "../ui/Icon.js";
import { PageHead } from "../ui/PageHead.js";
import { type Preferences, preferences } from "./preferences.js";
import "./settings.css";

const themes: readonly { value: Preferences["theme"]; words: string; icon: IconName }[] = [
  { value: "system", words: "As the system", icon: "system" },
  { value: "light", words: "Light", icon: "sun" },
  { value: "dark", words: "Dark", icon: "moon" },
];

/** What this browser keeps: the key, the look, the shortcuts, the conversations. */
export function SettingsPage() {
  const { key, theme, singleKeys } = preferences.use();
  const [typed, setTyped] = useState(key);
  const [clearing, setClearing] = useState(false);
  const kept = useConversations().length;
  return (
    <div className="page-scroll">
      <div className="page-inner settings">
        <PageHead title="Settings" about="All of this stays in this browser." />
        <section>
          <h2>Key</h2>
          <form
            className="settings-key"
            onSubmit={(event) => {
              event.preventDefault();
              preferences.set({ key: typed.trim() });
            }}
          >
            <Field label="API key" hint="Only needed when the server was started with keys.">
              {(ids) => (
                <input
                  {...ids}
                  className="input"
                  type="password"
                  autoComplete="off"
                  value={typed}
                  onChange={(event) => setTyped(event.target.value)}
                />
              )}
            </Field>
            <Button type="submit" disabled={typed.trim() === key}>
              Save
            </Button>
          </form>
        </section>
        <section>
          <h2>Look</h2>
          <fieldset className="segmented-field">
            <legend className="field-label">Theme</legend>
            <div className="segmented">
              {themes.map(({ value, words, icon }) => (
                <label key={value}>
                  <input
                    type="radio"
                    name="theme"
                    value={value}
                    checked={theme === value}
                    onChange={() => preferences.set({ theme: value })}
                  />
                  <Icon name={icon} size={18} />
                  {words}
                </label>
              ))}
            </div>
          </fieldset>
        </section>
        <section>
          <h2>Keyboard</h2>
          <label className="check">
            <input
              type="checkbox"
              checked={singleKeys}
              onChange={(event) => preferences.set({ singleKeys: event.target.checked })}
            />
            <span>
              Single keys act as shortcuts
              <br />
              <span className="faint small">
                Press <kbd>?</kbd> for the list. Switch them off if you speak to your computer or press keys by
                accident.
              </span>
            </span>
          </label>
        </section>
        <section>
          <h2>Kept here</h2>
          <p>{counted(kept, "conversation")} and the answers of earlier questions.</p>
          <Button look="danger" disabled={kept === 0} onClick={() => setClearing(true)}>
            Delete them
          </Button>
        </section>
      </div>
      {clearing && (
        <Dialog title="Delete all conversations?" onClose={() => setClearing(false)}>
          <p>{counted(kept, "conversation")} and all earlier answers go from this browser for good.</p>
          <div className="dialog-buttons">
            <Button look="quiet" onClick={() => setClearing(false)}>
              Keep them
            </Button>
            <Button
              look="danger"
              onClick={() => {
                conversations.clear();
                forgetQuestions();
                setClearing(false);
              }}
            >
              Delete
            </Button>
          </div>
        </Dialog>
      )}
    </div>
  );
}
