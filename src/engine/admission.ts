import type { CacheShape, PolicyRun } from "../cache/policy.js";
import type { KeyValueStore } from "../cache/store/key-values.js";
import { QuireError } from "../errors.js";
import type { CacheMemory } from "./memory/cache-memory.js";
import { FairShare } from "./schedule/fair-share.js";
import type { Sequence } from "./sequence.js";
import type { HeldMemory, StartMemory } from "./sequence-options.js";

/** Who runs and who waits: the queue, the seats, and the memory that a seat needs. A sequence gets its memory when it is admitted,
 *  with whatever shared prefix is known by then; where memory is short the newest gives up its own and waits again. */

export interface AdmissionOptions {
  readonly memory: CacheMemory;
  readonly cacheShape: CacheShape;
}

/** Entries made room for beyond what is known to come; memory grows by as many. */
const ahead = 512;
/** A common beginning shorter than this is not worth waiting for. */
const worthWaiting = 64;

export class Admission {
  /** Oldest admission first. */
  readonly running: Sequence[] = [];
  readonly waiting: Sequence[] = [];
  readonly fair = new FairShare();
  preemptions = 0;
  readonly #options: AdmissionOptions;
  readonly #resume = new Map<Sequence, HeldMemory>();
  /** Entries that the memory of a sequence has room for. */
  readonly #room = new Map<Sequence, number>();

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  enter(sequence: Sequence, resume: HeldMemory | undefined): void {
    this.waiting.push(sequence);
    this.fair.enter(sequence.options.user);
    if (resume !== undefined) this.#resume.set(sequence, resume);
  }

  /** Takes out a sequence that is over, keeps what others can use, and frees the rest. */
  leave(sequence: Sequence): void {
    const { memory } = this.#options;
    remove(this.running, sequence);
    remove(this.waiting, sequence);
    this.#room.delete(sequence);
    this.fair.leave(sequence.options.user);
    const unused = this.#resume.get(sequence);
    if (unused !== undefined) memory.close(unused.store);
    this.#resume.delete(sequence);
    const { store, draftStore } = sequence;
    sequence.closeBlocks();
    if (draftStore !== undefined) memory.close(draftStore);
    if (store === undefined) return;
    const done = sequence.error === undefined;
    if (done) this.learn(sequence);
    const { keepMemory, decoder } = sequence.options;
    // What branches or blocks leave behind is no text that a next turn could go on with.
    if (done && keepMemory && decoder.shapesMemory === undefined) memory.keep(store, true);
    else memory.close(store);
  }

  /** Those who may be admitted now, in order. Who begins like one whose prompt is being computed waits for that. */
  candidates(seats: number): Sequence[] {
    const preempted = this.waiting.filter(({ begun }) => begun).sort((a, b) => a.id - b.id);
    const fresh = this.waiting.filter(({ begun }) => !begun);
    const asked = fresh.map((sequence) => ({
      sequence,
      id: sequence.id,
      user: sequence.options.user,
      rows: sequence.wantedRows,
      arrival: sequence.id,
    }));
    const chosen: Sequence[] = preempted.slice(0, seats);
    for (const { sequence } of this.fair.order(asked)) {
      if (chosen.length >= seats) break;
      if (!this.#comesSooner(sequence, chosen)) chosen.push(sequence);
    }
    return chosen;
  }

  /** Gives a waiting sequence its memory and lets it begin; false where there is no room now. */
  admit(sequence: Sequence): boolean {
    const start = this.#start(sequence);
    if (start === undefined) {
      if (this.running.length === 0) sequence.end(noRoom(this.#needed(sequence), this.#options.memory));
      return false;
    }
    remove(this.waiting, sequence);
    this.running.push(sequence);
    sequence.begin(start);
    return !sequence.over;
  }

  /** Makes sure that all who decode can store their next rows; true when somebody had to give up memory for it. */
  makeRoomForDecodes(): boolean {
    const before = this.preemptions;
    for (const sequence of [...this.running]) {
      if (sequence.decoding && sequence.options.policy.rewinds) this.#grow(sequence);
      else if (!sequence.options.policy.rewinds) this.#renewPromise(sequence);
    }
    return this.preemptions > before;
  }

  /** What the sequence has evaluated becomes known to others that begin alike. */
  learn(sequence: Sequence): void {
    const { memory } = this.#options;
    const { store } = sequence;
    if (store === undefined || !shares(sequence)) return;
    const room = (bytes: number) => memory.makeRoomAmongPrefixes(bytes);
    memory.prefixes?.learn(store, sequence.shareable, room, sequence.options.scope);
  }

  #start(sequence: Sequence): StartMemory | undefined {
    const { memory } = this.#options;
    const needed = this.#needed(sequence);
    const resumed = this.#resumed(sequence, needed);
    if (resumed !== undefined) return resumed;
    const { scope } = sequence.options;
    const { sought } = sequence;
    let found = shares(sequence) ? memory.prefixes?.find(sought, sought.length, scope) : undefined;
    try {
      const promised = isPromised(sequence)
        ? Math.min(memory.bytesFor(mostEntries(sequence.options)), memory.limitBytes)
        : 0;
      const bytes = Math.max(memory.bytesFor(needed), promised) + draftBytes(memory, sequence.options);
      if (!memory.makeRoom(bytes)) {
        if (this.running.length > 0) return undefined;
        // Nobody will make room, so the prefix that it would begin with has to go too.
        found?.done();
        found = undefined;
        if (!memory.makeRoom(bytes)) return undefined;
      }
      const store = memory.open(needed);
      memory.promise(store, promised);
      const draftStore = openDraft(memory, sequence.options);
      this.#room.set(sequence, needed);
      if (found !== undefined) memory.prefixes?.copyInto(store, found);
      if (memory.prefixes !== undefined && !sequence.begun && shares(sequence)) {
        memory.prefixes.counters.queries += sought.length;
        memory.prefixes.counters.hits += found?.tokens ?? 0;
      }
      return { store, tokens: sought.subarray(0, found?.tokens ?? 0), policyRun: this.#freshRun(sequence), draftStore };
    } finally {
      found?.done();
    }
  }

  /** The memory of an earlier turn, as far as its tokens are the same. */
  #resumed(sequence: Sequence, needed: number): StartMemory | undefined {
    const { memory } = this.#options;
    const resume = this.#resume.get(sequence);
    if (resume === undefined) return undefined;
    this.#resume.delete(sequence);
    // It was taken away when others needed room.
    if (!memory.isOpen(resume.store)) return undefined;
    const { sought, options } = sequence;
    let common = 0;
    while (common < sought.length && common < resume.tokens.length && resume.tokens[common] === sought[common])
      common++;
    const usable = options.policy.rewinds || common === resume.tokens.length;
    const sameWay = resume.policyLabel === options.policy.label && resume.adapter === options.adapter;
    if (!usable || common === 0 || !sameWay) {
      memory.close(resume.store);
      return undefined;
    }
    memory.keep(resume.store, false);
    resume.store.rewind(common);
    const bytes = memory.bytesFor(isPromised(sequence) ? mostEntries(options) : needed);
    const more = Math.max(0, bytes - resume.store.sizeBytes) + draftBytes(memory, options);
    if (!memory.makeRoom(more)) {
      memory.close(resume.store);
      return undefined;
    }
    if (options.policy.rewinds) resume.store.makeRoom(needed);
    if (isPromised(sequence)) memory.promise(resume.store, bytes);
    this.#room.set(sequence, needed);
    const draftStore = openDraft(memory, options);
    return { store: resume.store, tokens: resume.tokens.subarray(0, common), policyRun: resume.policyRun, draftStore };
  }

  #freshRun({ options }: Sequence): PolicyRun {
    return options.policy.create(this.#options.cacheShape);
  }

  #grow(sequence: Sequence): void {
    const { memory } = this.#options;
    const room = this.#room.get(sequence) ?? 0;
    const needed = sequence.heldCount + sequence.wantedRows;
    if (needed <= room) return;
    const larger = Math.max(needed, Math.min(mostEntries(sequence.options), room + ahead));
    while (!isPromised(sequence) && !memory.makeRoom(memory.bytesFor(larger) - memory.bytesFor(room))) {
      const newest = this.running.findLast(({ canPreempt }) => canPreempt) ?? sequence;
      this.#preempt(newest);
      if (newest === sequence) return;
    }
    sequence.store?.makeRoom(larger);
    this.#room.set(sequence, larger);
  }

  #renewPromise(sequence: Sequence): void {
    const { store } = sequence;
    if (store === undefined || !sequence.decoding) return;
    const { maxTokens } = sequence.options;
    const left = maxTokens - sequence.stats.completionTokens + sequence.wantedRows;
    this.#options.memory.promise(store, this.#options.memory.bytesFor(store.entries + left));
  }

  #preempt(sequence: Sequence): void {
    const { draftStore } = sequence;
    const store = sequence.preempt();
    if (draftStore !== undefined) this.#options.memory.close(draftStore);
    if (store !== undefined) this.#options.memory.close(store);
    this.#room.delete(sequence);
    remove(this.running, sequence);
    this.waiting.push(sequence);
    this.preemptions++;
  }

  /** Entries that it gets room for when it is admitted: all of its prompt, and the first part of an answer. */
  #needed(sequence: Sequence): number {
    const { prompt, policy } = sequence.options;
    const known = Math.max(prompt.length, sequence.begun ? sequence.wantedRows : 0);
    const needed = Math.min(mostEntries(sequence.options), known + ahead);
    return policy.rewinds ? needed : Math.min(needed, 2 * ahead);
  }

  #comesSooner(sequence: Sequence, chosen: readonly Sequence[]): boolean {
    const { prefixes } = this.#options.memory;
    if (prefixes === undefined || sequence.begun || !shares(sequence) || this.#resume.has(sequence)) return false;
    const { sought } = sequence;
    let known: number | undefined;
    const ahead = [...this.running.filter((other) => !other.decoding), ...chosen];
    return ahead.some((other) => {
      if (!shares(other) || other.options.scope !== sequence.options.scope) return false;
      const common = commonBeginning(sought, other.options.prompt);
      if (common < worthWaiting || other.heldCount >= common) return false;
      known ??= prefixes.known(sought, sequence.options.scope);
      return common - known >= worthWaiting;
    });
  }
}

/** Entries at the very end, at most. */
export function mostEntries({ prompt, maxTokens, decoder }: MemoryDemand): number {
  return prompt.length + maxTokens * (decoder.shapesMemory === undefined ? 1 : (decoder.answers ?? 1)) + 1;
}

/** Bytes of a draft's own memory. It is had whole from the beginning: what is drafted is too short-lived to be computed anew. */
export function draftBytes(memory: CacheMemory, { draft, ...demand }: MemoryDemand & DraftDemand): number {
  return draft?.shape === undefined ? 0 : memory.bytesFor(mostEntries(demand) + draftedRows, draft.shape);
}

function openDraft(memory: CacheMemory, { draft, ...demand }: MemoryDemand & DraftDemand): KeyValueStore | undefined {
  return draft?.shape === undefined ? undefined : memory.open(mostEntries(demand) + draftedRows, draft.shape);
}

type DraftDemand = Pick<Sequence["options"], "draft">;

/** Room for what is drafted in a round. */
const draftedRows = 64;

type MemoryDemand = Pick<Sequence["options"], "prompt" | "maxTokens" | "decoder">;

/** Whose memory cannot be taken away and computed anew is promised all that it may need when it is admitted. */
function isPromised({ options }: Sequence): boolean {
  const { policy, decoder, draft } = options;
  return !policy.rewinds || decoder.shapesMemory !== undefined || draft !== undefined;
}

/** Only what is never dropped or changed afterwards can be had in common. */
function shares({ options }: Sequence): boolean {
  return options.policy.rewinds && Object.keys(options.policy.needs).length === 0;
}

function commonBeginning(a: Int32Array, b: Int32Array): number {
  const most = Math.min(a.length, b.length);
  let common = 0;
  while (common < most && a[common] === b[common]) common++;
  return common;
}

function remove(list: Sequence[], sequence: Sequence): void {
  const index = list.indexOf(sequence);
  if (index >= 0) list.splice(index, 1);
}

export function noRoom(entries: number, memory: CacheMemory): QuireError {
  return new QuireError("budget-exceeded", "The request can never fit into the memory for caches.", {
    got: `${memory.bytesFor(entries)} bytes for ${entries} tokens`,
    expected: `at most ${memory.limitBytes} bytes`,
    fix: "Ask for fewer tokens, shorten the prompt, or give caches more memory.",
  });
}
