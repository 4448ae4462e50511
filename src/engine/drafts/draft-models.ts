import type { CacheType, KeyValueStore } from "../../cache/store/key-values.js";
import { nearest, QuireError } from "../../errors.js";
import { suggestion } from "../../method.js";
import type { Tokenizer } from "../../text/tokenizer.js";
import type { LoadedModel } from "../model.js";
import type { DraftModel } from "./draft-model.js";
import { openEarlyExit } from "./early-exit.js";
import { openLowBit } from "./low-bit.js";
import { openOtherModel } from "./other-model.js";
import { openTinyDraft } from "./tiny.js";

/** The drafts of an engine, each loaded once, when a decoder first asks for it, and kept until the engine is closed. */

export interface DraftTarget {
  readonly model: LoadedModel;
  readonly tokenizer: Tokenizer;
  readonly cacheType: CacheType;
}

export interface DraftOpenOptions {
  readonly offline?: boolean;
  readonly signal?: AbortSignal;
  onProgress?(progress: DraftProgress): void;
}

export interface DraftProgress {
  readonly phase: "download" | "requantise" | "load";
  readonly name: string;
  readonly done: number;
  readonly total: number | undefined;
}

/** Opens the draft whose name ends in `detail`. */
export type OpenDraft = (target: DraftTarget, detail: string, options: DraftOpenOptions) => Promise<DraftModel>;

const kinds: Record<string, OpenDraft> = {
  exit: openEarlyExit,
  "low-bit": openLowBit,
  tiny: openTinyDraft,
  model: openOtherModel,
};

export class DraftModels {
  readonly #target: DraftTarget;
  readonly #opening = new Map<string, Promise<DraftModel>>();
  readonly #open = new Map<string, DraftModel>();
  #closed = false;

  constructor(target: DraftTarget) {
    this.#target = target;
  }

  /** Loads a draft unless it is there. One that failed to load may be tried again. */
  async open(name: string, options: DraftOpenOptions = {}): Promise<DraftModel> {
    if (this.#closed) throw new QuireError("bad-input", "The engine was closed.");
    const known = this.#opening.get(name);
    if (known !== undefined) return known;
    const opening = this.#load(name, options);
    this.#opening.set(name, opening);
    try {
      return await opening;
    } catch (error) {
      this.#opening.delete(name);
      throw error;
    }
  }

  /** One that was opened before. */
  get(name: string): DraftModel {
    const found = this.#open.get(name);
    if (found !== undefined) return found;
    throw new QuireError("bad-input", `The draft ${name} was not loaded.`, {
      got: name,
      expected: [...this.#open.keys()].join(", ") || "a draft that was opened",
      fix: "Open it before: await engine.drafts.open(name).",
    });
  }

  /** Those that are loaded. */
  get list(): readonly DraftModel[] {
    return [...this.#open.values()];
  }

  forget(store: KeyValueStore): void {
    for (const draft of this.#open.values()) draft.forget(store);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#opening.values());
    for (const draft of this.#open.values()) await draft.close();
    this.#open.clear();
    this.#opening.clear();
  }

  async #load(name: string, options: DraftOpenOptions): Promise<DraftModel> {
    const colon = name.indexOf(":");
    const kind = colon < 0 ? name : name.slice(0, colon);
    const open = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
    const detail = name.slice(colon + 1);
    if (open === undefined || colon < 0 || detail === "") {
      throw new QuireError("bad-option", `There is no draft "${name}".`, {
        got: name,
        expected: "exit:LAYERS, low-bit:TYPE, tiny:FILE or model:NAME",
        fix: suggestion(nearest(kind, Object.keys(kinds))),
      });
    }
    const draft = await open(this.#target, detail, options);
    if (this.#closed) {
      await draft.close();
      throw new QuireError("cancelled", "The engine was closed.");
    }
    this.#open.set(name, draft);
    return draft;
  }
}
