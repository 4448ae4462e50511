import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32, deflateRawSync } from "node:zlib";

/** Small zip files, and a stand-in for pip that hands them out, for tests without a network. */

export function zipOf(members: Readonly<Record<string, Uint8Array>>): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(members)) {
    const packed = deflateRawSync(content);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(8, 4);
    fields.writeUInt32LE(crc32(content), 10);
    fields.writeUInt32LE(packed.byteLength, 14);
    fields.writeUInt32LE(content.byteLength, 18);
    fields.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from("PK\u0003\u0004"), fields, Buffer.from(name), packed]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    directory.push(
      Buffer.concat([Buffer.from("PK\u0001\u0002"), Buffer.from([20, 0]), fields, rest, Buffer.from(name)]),
    );
    bodies.push(local);
    offset += local.byteLength;
  }
  const entries = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\u0005\u0006");
  end.writeUInt16LE(directory.length, 8);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(entries.byteLength, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...bodies, entries, end]);
}

/** A folder with a `python3` that answers like pip for the given wheels, and notes each request in the file `asked`. */
export async function fakePip(folder: string, wheels: Readonly<Record<string, Uint8Array>>): Promise<string> {
  const bin = join(folder, "bin");
  await mkdir(bin, { recursive: true });
  for (const [name, bytes] of Object.entries(wheels)) await writeFile(join(bin, `${name}.whl`), bytes);
  const script = `#!/bin/sh
PATH=/bin:/usr/bin
[ "$3" = "--version" ] && exit 0
name="\${4%%==*}"
echo "$name" >> "${bin}/asked"
[ -f "${bin}/slow" ] && exec sleep 30
while [ "$1" != "--dest" ]; do shift; done
[ -f "${bin}/$name.whl" ] || { echo "ERROR: No matching distribution found for $name" >&2; exit 1; }
cp "${bin}/$name.whl" "$2/"
`;
  await writeFile(join(bin, "python3"), script);
  await chmod(join(bin, "python3"), 0o755);
  return bin;
}
