import { QuireError } from "../errors.js";
import type { TensorEntry } from "./weight-file.js";
import type { WeightSource } from "./weight-source.js";

/** The check that every tensor of one file lies inside it and that no two share bytes. */
export function checkPlaces(source: WeightSource, tensors: readonly TensorEntry[]): void {
  const byPlace = [...tensors].sort((a, b) => a.fileOffset - b.fileOffset || a.sizeBytes - b.sizeBytes);
  let end = 0;
  let before = "";
  for (const { name, fileOffset, sizeBytes } of byPlace) {
    if (fileOffset + sizeBytes > source.size) {
      throw new QuireError(
        "bad-file",
        `${source.path}: the data of "${name.slice(0, 60)}" reach past the end of the file.`,
        {
          got: `${source.size} bytes`,
          expected: `at least ${fileOffset + sizeBytes} bytes`,
          fix: "The file is cut off: fetch it again.",
        },
      );
    }
    if (fileOffset < end && sizeBytes > 0) {
      throw new QuireError(
        "bad-file",
        `${source.path}: "${name.slice(0, 60)}" and "${before.slice(0, 60)}" lie over each other.`,
        { got: fileOffset, expected: `at least ${end}` },
      );
    }
    end = Math.max(end, fileOffset + sizeBytes);
    before = name;
  }
}
