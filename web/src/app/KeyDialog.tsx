import { useEffect, useState } from "react";
import { keyWanted } from "../api/request.js";
import { preferences } from "../settings/preferences.js";
import { Button } from "../ui/Button.js";
import { Dialog } from "../ui/Dialog.js";
import { Field } from "../ui/Field.js";

/** Asks for a key when the server wants one. */
export function KeyDialog() {
  const [open, setOpen] = useState(false);
  const [key, setKey] = useState("");
  const tried = preferences.use().key;
  useEffect(() => {
    const wanted = () => setOpen(true);
    keyWanted.addEventListener("wanted", wanted);
    return () => keyWanted.removeEventListener("wanted", wanted);
  }, []);
  if (!open) return null;
  return (
    <Dialog title="This server asks for a key" onClose={() => setOpen(false)}>
      <form
        className="key-form"
        onSubmit={(event) => {
          event.preventDefault();
          preferences.set({ key: key.trim() });
          setOpen(false);
        }}
      >
        <Field
          label="Key"
          hint="It stays in this browser and is sent to this server only. Whoever runs the server can make one."
          error={tried === "" ? undefined : "The server did not accept the key it has got so far."}
        >
          {(ids) => (
            <input
              {...ids}
              className="input"
              type="password"
              autoComplete="off"
              value={key}
              onChange={(event) => setKey(event.target.value)}
            />
          )}
        </Field>
        <Button look="primary" type="submit" disabled={key.trim() === ""}>
          Use this key
        </Button>
      </form>
    </Dialog>
  );
}
