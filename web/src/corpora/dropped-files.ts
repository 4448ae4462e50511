/** Files that were dropped or picked, folders included, with the names they are sent under. */

export interface NamedFile {
  readonly file: File;
  readonly name: string;
}

export function pickedFiles(list: FileList): NamedFile[] {
  return [...list].map((file) => ({
    file,
    name: file.webkitRelativePath === "" ? file.name : file.webkitRelativePath,
  }));
}

export async function droppedFiles(data: DataTransfer): Promise<NamedFile[]> {
  // The entries must be taken at once: the browser empties the list after the event.
  const entries = [...data.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length === 0) return pickedFiles(data.files);
  const found = await Promise.all(entries.map((entry) => filesOf(entry, "")));
  return found.flat();
}

async function filesOf(entry: FileSystemEntry, folder: string): Promise<NamedFile[]> {
  const name = folder === "" ? entry.name : `${folder}/${entry.name}`;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ file, name }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const inside: FileSystemEntry[] = [];
  for (;;) {
    // A folder is read in parts until a part is empty.
    const part = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (part.length === 0) break;
    inside.push(...part.filter((one) => !one.name.startsWith(".")));
  }
  return (await Promise.all(inside.map((one) => filesOf(one, name)))).flat();
}
