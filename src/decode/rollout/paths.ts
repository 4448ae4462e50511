import { QuireError } from "../../errors.js";
import type { Channel, Choice, DecodeContext, MemoryBranches, RowsRequest, RowsResult, Sampler } from "../decoder.js";

/** Paths: answers under way, each with its branch of the memory, its channel and its own random numbers. What they have in common is
 *  computed and stored once. */

export class Path {
  readonly channel: Channel;
  readonly sampler: Sampler;
  readonly branch: number;
  /** All that was drawn, an end token included. */
  readonly choices: Choice[];
  /** Segments that it went through, from the root (0). */
  readonly ids: number[];
  /** 1 / its weight. */
  shares: number;
  /** Begun on a part of another answer. */
  readonly regrown: boolean;
  /** Set when its channel takes no more. */
  over = false;
  reason: string | undefined;

  constructor(parts: Pick<Path, "channel" | "sampler" | "branch" | "choices" | "ids" | "shares" | "regrown">) {
    this.channel = parts.channel;
    this.sampler = parts.sampler;
    this.branch = parts.branch;
    this.choices = parts.choices;
    this.ids = parts.ids;
    this.shares = parts.shares;
    this.regrown = parts.regrown;
  }

  get weight(): number {
    return this.regrown ? 0 : 1 / this.shares;
  }

  get tokens(): number[] {
    return this.choices.map(({ token }) => token);
  }
}

export class Paths {
  readonly branches: MemoryBranches;
  readonly #context: DecodeContext;
  /** As it was before anything was drawn. */
  readonly #root: Sampler;
  #channels = 0;
  #ids = 0;
  /** Ended paths whose branches are still there, for others to begin on. */
  readonly #held = new Set<Path>();
  #rootBranch: number | undefined;

  constructor(context: DecodeContext) {
    if (context.memory.branches === undefined) throw new QuireError("unsupported", "This memory cannot have branches.");
    this.branches = context.memory.branches;
    this.#context = context;
    this.#root = context.sampler.fork();
    for (const name of ["rows", "peakEntries", "answers", "answerTokens", "drawnTokens"]) context.stats[name] = 0;
  }

  /** Evaluates the prompt; its last logits. */
  *readPrompt(): Generator<RowsRequest, Float32Array, RowsResult> {
    const { prompt, memory } = this.#context;
    const rows = prompt.subarray(memory.length);
    const result = yield { tokens: rows, want: "last" };
    return result.logits(rows.length - 1);
  }

  /** Paths that begin at the root, where the prompt's logits are at hand. */
  plant(copies: number, { holdRoot = false } = {}): Path[] {
    if (holdRoot) this.#rootBranch = this.branches.fork(0, 1)[0];
    const { sampler } = this.#context;
    const first = new Path({
      channel: this.#nextChannel(),
      sampler,
      branch: 0,
      choices: [],
      ids: [0],
      shares: 1,
      regrown: false,
    });
    return this.split(first, copies);
  }

  /** The newest token of each path, evaluated in one call. */
  *evaluate(paths: readonly Path[]): Generator<RowsRequest, RowsResult, RowsResult> {
    const { prompt, stats } = this.#context;
    const tokens = Int32Array.from(paths, ({ choices }) => choices.at(-1)?.token ?? (prompt.at(-1) as number));
    const of = Int32Array.from(paths, ({ branch }) => branch);
    const result = yield { tokens, want: "all", sees: { kind: "branches", of } };
    stats["rows"] = (stats["rows"] ?? 0) + paths.length;
    stats["peakEntries"] = Math.max(stats["peakEntries"] ?? 0, this.branches.entries);
    return result;
  }

  /** Draws a path's next token and hands it out. */
  draw(path: Path, logits: Float32Array): void {
    const { prompt, stats } = this.#context;
    const choice = path.sampler.next(logits, prompt.length + path.choices.length);
    path.choices.push(choice);
    path.over = path.channel.emit(choice);
    stats["drawnTokens"] = (stats["drawnTokens"] ?? 0) + 1;
  }

  /** The path itself and copies of it, each at the beginning of a segment of its own. */
  split(path: Path, copies: number): Path[] {
    const others = copies > 1 ? Array.from(this.branches.fork(path.branch, copies - 1)) : [];
    path.shares *= copies;
    const made = others.map((branch) => {
      const index = this.#channels;
      const copy = new Path({
        channel: this.#nextChannel(),
        sampler: path.sampler.fork(index),
        branch,
        choices: [...path.choices],
        ids: [...path.ids],
        shares: path.shares,
        regrown: path.regrown,
      });
      for (const choice of copy.choices) copy.channel.emit(choice);
      return copy;
    });
    for (const one of [path, ...made]) one.ids.push(++this.#ids);
    return [path, ...made];
  }

  /** A path that goes on from the first `kept` tokens of an ended one, or from the prompt. Its newest token is evaluated again, for the
   *  logits. */
  regrow(from: Path | undefined, kept: number, ids: readonly number[]): Path {
    const source = from === undefined ? this.#mustHaveRoot() : from.branch;
    const [branch = 0] = this.branches.fork(source, 1);
    this.branches.rewind(branch, this.#context.prompt.length + kept - 1);
    const sampler = this.#root.fork(this.#channels);
    const choices = from?.choices.slice(0, kept) ?? [];
    const channel = this.#nextChannel();
    for (const choice of choices) {
      sampler.accept(choice.token);
      channel.emit(choice);
    }
    return new Path({ channel, sampler, branch, choices, ids: [...ids], shares: 1, regrown: true });
  }

  /** Says what became of a path. Its memory goes, unless something may be grown on it. */
  end(path: Path, reason: string, { hold = false } = {}): void {
    path.reason = reason;
    const { ids, weight, regrown, choices } = path;
    const cut = path.over || !cutOff.has(reason) ? {} : { finishReason: "length" as const };
    path.channel.describe({ path: ids, weight, reason, ...cut, ...(regrown ? { regrown } : {}) });
    const { stats, sampler } = this.#context;
    stats["answers"] = (stats["answers"] ?? 0) + 1;
    stats["answerTokens"] = (stats["answerTokens"] ?? 0) + choices.length;
    if (hold) this.#held.add(path);
    else this.branches.free(path.branch);
    // The first one's is the caller's.
    if (path.sampler !== sampler) path.sampler.close();
  }

  /** Nothing will be grown on what has ended. */
  letGo(): void {
    for (const { branch } of this.#held) this.branches.free(branch);
    this.#held.clear();
    if (this.#rootBranch !== undefined) this.branches.free(this.#rootBranch);
    this.#rootBranch = undefined;
  }

  close(): void {
    this.letGo();
    this.#root.close();
  }

  #mustHaveRoot(): number {
    if (this.#rootBranch === undefined) throw new QuireError("bad-input", "The prompt is no longer in memory.");
    return this.#rootBranch;
  }

  #nextChannel(): Channel {
    return this.#context.channel(this.#channels++);
  }
}

/** Ends that leave an answer unfinished. */
const cutOff = new Set(["depth", "repetition"]);

/** Several answers that are each the likeliest one would all be equal. */
export function refuseGreedy(paths: readonly Path[], answers: number): void {
  if (answers < 2 || !paths.some(({ choices }) => Object.is(choices[0]?.logProb, -0))) return;
  throw equalAnswers(answers);
}

export function equalAnswers(answers: number): QuireError {
  return new QuireError("bad-option", `${answers} answers at temperature 0 would all be equal.`, {
    got: "temperature 0",
    expected: "a temperature above 0, or one answer",
  });
}
