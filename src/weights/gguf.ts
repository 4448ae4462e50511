import { QuireError } from "../errors.js";
import { dtypeOfId, dtypes, rowBytes } from "../tensor/dtype.js";
import { GgufHeader, headerLimits } from "./gguf-header.js";
import { openGgufParts } from "./gguf-split.js";
import { type GgufScalarType, type GgufType, ggufTypes } from "./gguf-types.js";
import { readTensor } from "./read-tensor.js";
import { checkPlaces } from "./tensor-places.js";
import type { MetadataValue, TensorEntry, WeightFile } from "./weight-file.js";
import { openWeightSource, type WeightSource } from "./weight-source.js";

/** Opens GGUF files, versions 2 and 3, little-endian, whole or split over several files. Only headers are read; everything a
 *  header says (counts, lengths, types, offsets, sizes) is checked against the file's length first, so that nothing later
 *  needs to distrust it. */

export interface GgufFile extends WeightFile {
  readonly format: "gguf";
  readonly version: number;
  /** Tensor data starts at multiples of this many bytes. */
  readonly alignment: number;
  /** How each metadata value is stored, so that a copy can be written with the same types. */
  readonly metadataTypes: ReadonlyMap<string, GgufType>;
  /** The files, first to last; one unless the model is split. */
  readonly files: readonly string[];
}

/** What one file's header says. */
export interface GgufPart {
  readonly source: WeightSource;
  readonly version: number;
  readonly alignment: number;
  readonly metadata: Map<string, MetadataValue>;
  readonly metadataTypes: Map<string, GgufType>;
  readonly tensors: readonly TensorEntry[];
}

export async function openGguf(path: string): Promise<GgufFile> {
  const parts = await openGgufParts(path, openPart);
  const first = parts[0] as GgufPart;
  const sources = parts.map((part) => part.source);
  const tensors = new Map(parts.flatMap((part) => part.tensors).map((tensor) => [tensor.name, tensor]));
  return {
    format: "gguf",
    path: first.source.path,
    files: sources.map((source) => source.path),
    version: first.version,
    alignment: first.alignment,
    metadata: first.metadata,
    metadataTypes: first.metadataTypes,
    tensors,
    sizeBytes: [...tensors.values()].reduce((sum, tensor) => sum + tensor.sizeBytes, 0),
    read: (entry, offset, target) => readTensor(sources, entry, offset, target),
    async close() {
      await Promise.all(sources.map((source) => source.close()));
    },
  };
}

async function openPart(path: string, file: number): Promise<GgufPart> {
  const source = await openWeightSource(path);
  try {
    return await readPart(source, file);
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function readPart(source: WeightSource, file: number): Promise<GgufPart> {
  const header = new GgufHeader(source);
  const version = await readVersion(header, source);
  const tensorCount = await header.length("the number of tensors", headerLimits.tensors);
  const keyCount = await header.length("the number of metadata keys", headerLimits.keys);
  // The smallest possible key takes 13 bytes, the smallest tensor 24.
  if (keyCount * 13 + tensorCount * 24 > header.left) {
    throw header.broken("it claims more keys and tensors than it has room for", {
      got: { keyCount, tensorCount },
      fix: "The file is cut off or damaged: fetch it again.",
    });
  }
  const { metadata, types } = await readMetadata(header, keyCount);
  const alignment = alignmentOf(header, metadata, types);
  const infos = await readTensorInfos(header, tensorCount, alignment);
  const dataStart = Math.ceil(header.position / alignment) * alignment;
  const tensors = infos.map(({ offset, ...info }): TensorEntry => ({ ...info, file, fileOffset: dataStart + offset }));
  checkPlaces(source, tensors);
  return { source, version, alignment, metadata, metadataTypes: types, tensors };
}

async function readVersion(header: GgufHeader, source: WeightSource): Promise<number> {
  const magic = source.size >= 4 ? await header.u32("its first bytes") : 0;
  if (magic !== 0x46554747) throw await notGguf(source, magic);
  const version = await header.u32("its version");
  if (version === 2 || version === 3) return version;
  const bigEndian = (version & 0xffff) === 0 && version !== 0;
  throw new QuireError(
    bigEndian || version === 1 || (version > 3 && version < 100) ? "unsupported" : "bad-file",
    bigEndian ? `${source.path} is a big-endian GGUF file.` : `${source.path} says it is GGUF version ${version}.`,
    {
      got: bigEndian ? "big-endian" : version,
      expected: "GGUF version 2 or 3, little-endian",
      fix: "Convert the model again with a current llama.cpp, or fetch another copy.",
    },
  );
}

async function notGguf(source: WeightSource, magic: number): Promise<QuireError> {
  const start = Buffer.alloc(Math.min(64, source.size));
  await source.read(0, start);
  const text = start.toString("latin1");
  const details = { got: text.slice(0, 16), expected: "GGUF", fix: "Give the path of a .gguf or .safetensors model." };
  if (source.size === 0) return new QuireError("bad-file", `${source.path} is empty.`, details);
  if (text.startsWith("version https://git-lfs")) {
    return new QuireError("bad-file", `${source.path} is a Git LFS pointer, not the model itself.`, {
      ...details,
      fix: "Fetch the real file, for example with `git lfs pull`.",
    });
  }
  if (/^\s*<(!doctype|html)/i.test(text)) {
    return new QuireError("bad-file", `${source.path} is a web page, not a model.`, {
      ...details,
      fix: "Download the file itself (the link with /resolve/ in it), not its page.",
    });
  }
  if (magic === 0x67676d6c || magic === 0x67676d66 || magic === 0x67676a74) {
    return new QuireError("unsupported", `${source.path} is in a format older than GGUF.`, {
      ...details,
      fix: "Fetch the model in GGUF format.",
    });
  }
  return new QuireError("bad-file", `${source.path} is not a GGUF file.`, details);
}

async function readMetadata(header: GgufHeader, count: number) {
  const metadata = new Map<string, MetadataValue>();
  const types = new Map<string, GgufType>();
  for (let i = 0; i < count; i++) {
    const key = await header.string("a metadata key", headerLimits.keyBytes);
    if (key === "" || metadata.has(key)) {
      throw header.broken(key === "" ? "a metadata key has no name" : `the metadata key "${shown(key)}" comes twice`);
    }
    const type = await typeOf(header, key);
    if (type !== "array") {
      types.set(key, type);
      metadata.set(key, await readScalar(header, type, key));
      continue;
    }
    const element = await typeOf(header, key);
    if (element === "array") {
      throw new QuireError("unsupported", `${shown(key)} holds arrays in an array, which no model uses.`, { got: key });
    }
    types.set(key, `${element}[]`);
    metadata.set(key, await readArray(header, element, key));
  }
  return { metadata, types };
}

async function typeOf(header: GgufHeader, key: string) {
  const id = await header.u32("a metadata type");
  const type = ggufTypes[id];
  if (type) return type;
  throw header.broken(`"${shown(key)}" has an unknown type`, { got: id, expected: `0 to ${ggufTypes.length - 1}` });
}

async function readScalar(header: GgufHeader, type: GgufScalarType, key: string): Promise<MetadataValue> {
  if (type === "string") return header.string(`the value of "${shown(key)}"`);
  if (type === "bool") return (await header.scalar("u8", `the value of "${shown(key)}"`)) !== 0;
  return header.scalar(type, `the value of "${shown(key)}"`);
}

async function readArray(header: GgufHeader, element: GgufScalarType, key: string): Promise<MetadataValue> {
  const what = `the array "${shown(key)}"`;
  const count = await header.length(`the length of ${what}`, header.left);
  if (element === "string") return header.strings(count, what);
  if (element === "bool") return header.booleans(count, what);
  return header.numbers(element, count, what);
}

/** Names from a damaged file can be anything; messages show a short, printable form. */
function shown(name: string): string {
  const printable = name.replace(/[\u0000-\u001f\u007f-\u009f\ufffd]/g, "?");
  return printable.length > 60 ? `${printable.slice(0, 60)}…` : printable;
}

function alignmentOf(
  header: GgufHeader,
  metadata: ReadonlyMap<string, MetadataValue>,
  types: ReadonlyMap<string, GgufType>,
): number {
  const alignment = metadata.get("general.alignment") ?? 32;
  const usable =
    typeof alignment === "number" && alignment > 0 && alignment <= 2 ** 20 && (alignment & (alignment - 1)) === 0;
  if (usable && (types.get("general.alignment") ?? "u32") === "u32") return alignment;
  throw header.broken("general.alignment cannot be used", { got: alignment, expected: "a power of two, as u32" });
}

async function readTensorInfos(header: GgufHeader, count: number, alignment: number) {
  const infos: (Omit<TensorEntry, "file" | "fileOffset"> & { offset: number })[] = [];
  const names = new Set<string>();
  for (let i = 0; i < count; i++) {
    const name = await header.string("a tensor's name", headerLimits.tensorNameBytes);
    if (names.has(name)) throw header.broken(`the tensor "${shown(name)}" comes twice`);
    names.add(name);
    const shape = await readShape(header, name);
    const dtype = await readDtype(header, name);
    const offset = await header.length(`the place of "${shown(name)}"`, Number.MAX_SAFE_INTEGER / 2);
    if (offset % alignment !== 0) {
      throw header.broken(`"${shown(name)}" does not start at a multiple of ${alignment}`, { got: offset });
    }
    const width = shape.at(-1) ?? 1;
    if (width % dtypes[dtype].block !== 0) {
      throw header.broken(`the rows of "${shown(name)}" do not divide into blocks of ${dtype}`, {
        got: width,
        expected: `a multiple of ${dtypes[dtype].block}`,
      });
    }
    const rows = shape.slice(0, -1).reduce((product, extent) => product * extent, 1);
    infos.push({ name, dtype, shape, sizeBytes: rows * rowBytes(dtype, width), offset });
  }
  return infos;
}

/** Stored innermost first; given outermost first. */
async function readShape(header: GgufHeader, name: string): Promise<number[]> {
  const rank = await header.u32(`the rank of "${shown(name)}"`);
  if (rank > 4) throw header.broken(`"${shown(name)}" has too many dimensions`, { got: rank, expected: "at most 4" });
  const shape: number[] = [];
  let elements = 1;
  for (let i = 0; i < rank; i++) {
    const extent = await header.length(`the shape of "${shown(name)}"`, 2 ** 48);
    elements *= extent;
    if (extent === 0 || elements > 2 ** 48) {
      throw header.broken(`the shape of "${shown(name)}" cannot be right`, { got: [extent, ...shape] });
    }
    shape.unshift(extent);
  }
  return shape;
}

async function readDtype(header: GgufHeader, name: string) {
  const id = await header.u32(`the type of "${shown(name)}"`);
  const dtype = dtypeOfId(id);
  if (dtype) return dtype;
  const retired = id < 64;
  throw new QuireError(
    retired ? "unsupported" : "bad-file",
    `${header.path}: "${shown(name)}" is stored in element type ${id}, which is not known here.`,
    {
      got: id,
      expected: Object.keys(dtypes).join(", "),
      fix: retired
        ? "The type may be retired or newer than this version: fetch the model in another quantisation."
        : undefined,
    },
  );
}
