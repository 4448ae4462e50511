import { useCallback, useRef, useState } from "react";
import { uploadFile } from "../api/corpora.js";
import { explain } from "../api/request.js";
import type { NamedFile } from "./dropped-files.js";

/** Files on their way to a corpus: one after the other, each with its share sent or the reason it was refused. */

export interface Upload {
  readonly name: string;
  readonly state: "waiting" | "sending" | "sent" | "failed";
  readonly share: number;
  readonly problem?: string;
}

export function useUploads(corpus: string, sent: () => void) {
  const [uploads, setUploads] = useState<readonly Upload[]>([]);
  const line = useRef<Promise<void>>(Promise.resolve());

  const add = useCallback(
    (files: readonly NamedFile[]) => {
      const names = new Set(files.map(({ name }) => name));
      setUploads((old) => [
        ...old.filter(({ name, state }) => state !== "sent" && !names.has(name)),
        ...files.map(({ name }) => ({ name, state: "waiting" as const, share: 0 })),
      ]);
      const change = (name: string, changes: Partial<Upload>) =>
        setUploads((old) => old.map((one) => (one.name === name ? { ...one, ...changes } : one)));
      for (const { file, name } of files) {
        line.current = line.current.then(async () => {
          change(name, { state: "sending" });
          try {
            await uploadFile(corpus, file, name, (share) => change(name, { share }));
            change(name, { state: "sent", share: 1 });
          } catch (error) {
            change(name, { state: "failed", problem: explain(error) });
          }
          sent();
        });
      }
    },
    [corpus, sent],
  );

  return { uploads, add };
}
