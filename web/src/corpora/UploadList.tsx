import type { Upload } from "./use-uploads.js";

const words = { waiting: "Waiting", sending: "Sending", sent: "Sent", failed: "Refused" };

/** Files on their way. */
export function UploadList({ uploads }: { uploads: readonly Upload[] }) {
  // What has been sent stands in the list of files by now.
  const shown = uploads.filter(({ state }) => state !== "sent");
  if (shown.length === 0) return null;
  return (
    <ul className="uploads" aria-label="Uploads">
      {shown.map(({ name, state, share, problem }) => (
        <li key={name}>
          <span className="upload-name">{name}</span>
          <span className={`small ${state === "failed" ? "upload-failed" : "faint"}`}>{problem ?? words[state]}</span>
          <span className="meter">
            <span style={{ width: `${share * 100}%` }} />
          </span>
        </li>
      ))}
    </ul>
  );
}
