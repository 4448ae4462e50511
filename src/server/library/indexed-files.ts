import type { FileRow } from "../../corpus/index/rows.js";
import { openStore, readFiles } from "../../corpus/index/store.js";

/** What an index knows of every file of its folder. */
export async function indexedFiles(indexFolder: string): Promise<Map<string, FileRow>> {
  const store = await openStore(indexFolder);
  try {
    return await readFiles(store);
  } finally {
    store.close();
  }
}
