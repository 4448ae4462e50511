import { useRef, useState } from "react";
import { Button } from "../ui/Button.js";
import { Icon } from "../ui/Icon.js";
import { droppedFiles, type NamedFile, pickedFiles } from "./dropped-files.js";

/** Takes files by drop, and by a button for files and one for a folder. */
export function DropZone({ onFiles }: { onFiles: (files: readonly NamedFile[]) => void }) {
  const [over, setOver] = useState(false);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const picked = (input: HTMLInputElement) => {
    if (input.files !== null) onFiles(pickedFiles(input.files));
    input.value = "";
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is the second way, the buttons inside are the first
    <div
      className="drop"
      data-over={over}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false);
      }}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void droppedFiles(event.dataTransfer).then(onFiles);
      }}
    >
      <Icon name="upload" size={24} />
      <p>
        <strong>Drop files or folders here</strong>
        <br />
        <span className="faint small">Text, Markdown, HTML, PDF, Word, source code</span>
      </p>
      <div className="drop-buttons">
        <Button onClick={() => files.current?.click()}>Choose files</Button>
        <Button onClick={() => folder.current?.click()}>Choose a folder</Button>
      </div>
      <input ref={files} type="file" multiple hidden onChange={(event) => picked(event.target)} />
      <input
        ref={(input) => {
          folder.current = input;
          input?.setAttribute("webkitdirectory", "");
        }}
        type="file"
        hidden
        onChange={(event) => picked(event.target)}
      />
    </div>
  );
}
