import { z } from "zod";
import { QuireError } from "../errors.js";
import { type DecodeContext, decoder, type MemoryBlocks, type RowsRequest, type RowsResult } from "./decoder.js";
import { greatest } from "./sample/greedy.js";
import * as prompts from "./workers/prompts.js";
import { Worker } from "./workers/worker.js";

/** Hogwild: several workers of one model write at once into one memory and read each other's tokens as they appear.
 *  Paper    Rodionov et al. 2025, "Hogwild! Inference: Parallel LLM Generation via Concurrent Attention", arXiv 2504.06261.
 *           Page: docs/methods/hogwild.md
 *  Takes    a prompt; memory in blocks (the prompt and finished steps, two headings, the unfinished step of each worker) that every
 *           worker reads in an order of its own, its own step last
 *  Does     each pass: the pending tokens of all workers, which see each other in that pass already; one token drawn a worker; a step
 *           that ends with an empty line after a sentence moves to the end of the common block
 *  Cost     a row a worker through all weights; attention O(workers · all entries); entries are stored once, not once a worker
 *  Differs  in wording of prompts; the final answer is looked for only where `stopPattern` says how it looks; runs of "#" are banned
 *           whatever their length; where a grammar allows nothing but the end, a worker may end
 *  Not      treepo (branches never see each other), rsd (drafts of one text)
 *  Errors   bad-option for no or equal names and patterns that are none; unsupported where layers see only a window, unless the layout
 *           is contiguous; a worker that finds the context full stops with the reason "context-overflow" and keeps its text */
export const hogwild = decoder({
  name: "hogwild",
  title: "Workers write at once into one cache and read each other",
  arxiv: "2504.06261",
  options: z.object({
    workers: z
      .union([
        z.number().int().min(1).max(prompts.defaultNames.length),
        z.string(),
        z.array(z.string()).min(1).max(prompts.defaultNames.length),
      ])
      .default(2)
      .refine((given) => areNames(namesOf(given)), "names must be there and differ")
      .describe("how many, 1 to 8, or their names: Alice+Bob"),
    layout: z
      .enum(["combined", "contiguous", "interleaved"])
      .default("combined")
      .describe(
        "unfinished text of others is seen and finished steps move; nothing moves; only finished steps are seen",
      ),
    checkEvery: z
      .number()
      .int()
      .min(0)
      .default(256)
      .describe("tokens of all workers between questions whether work is done twice; 0 = never"),
    maxSteps: z.number().int().min(1).optional().describe("passes at most; else each worker's maxTokens end it"),
    stopPattern: z
      .string()
      .optional()
      .refine((pattern) => pattern === undefined || isPattern(pattern), "this is no regular expression")
      .describe("all stop when a step matches it; else an answer is asked for at the end"),
    finisherTokens: z.number().int().min(0).max(256).default(16).describe("tokens of that answer; 0 = do not ask"),
    headings: z
      .enum(["alone", "in-context"])
      .default("alone")
      .describe("how headings are read: each by itself, or after the prompt"),
    bare: z.boolean().default(false).describe("no rules, headings, labels or bans: only the common memory"),
  }),
  exact: false,
  rewinds: true,
  shapesMemory: "views",
  answers: ({ workers, stopPattern, finisherTokens }) =>
    namesOf(workers).length + (stopPattern !== undefined && finisherTokens > 0 ? 1 : 0),
  names: ({ workers }) => namesOf(workers),
  *decode(context, options) {
    const team = new Team(context, options);
    yield* team.begin();
    while (team.goesOn()) {
      const request = team.request();
      team.take(yield request);
    }
    if (options.stopPattern !== undefined && options.finisherTokens > 0 && !team.answered) yield* team.finish();
  },
});

/** Entries that a worker's step is given room for; it may need more. */
const stepRoom = 128;

interface Options {
  readonly workers: number | string | string[];
  readonly layout: "combined" | "contiguous" | "interleaved";
  readonly checkEvery: number;
  readonly maxSteps?: number | undefined;
  readonly stopPattern?: string | undefined;
  readonly finisherTokens: number;
  readonly headings: "alone" | "in-context";
  readonly bare: boolean;
}

class Team {
  answered = false;
  readonly #context: DecodeContext;
  readonly #options: Options;
  readonly #blocks: MemoryBlocks;
  readonly #names: readonly string[];
  readonly #banned: readonly number[];
  readonly #pattern: RegExp | undefined;
  #workers: Worker[] = [];
  #heading: { head: number; own: number } | undefined;
  /** Tokens of the common block: of the prompt and rules, and of finished steps. */
  #common: Int32Array = new Int32Array(0);
  readonly #history: number[] = [];
  #sinceQuestion = 0;
  #passes = 0;

  constructor(context: DecodeContext, options: Options) {
    const { blocks } = context.memory;
    if (blocks === undefined) throw new QuireError("unsupported", "hogwild needs memory in blocks.");
    if (blocks.windowed && options.layout !== "contiguous") {
      throw new QuireError(
        "unsupported",
        `The layout ${options.layout} of hogwild moves text, and layers of this model see only a window of it.`,
        {
          got: options.layout,
          expected: "contiguous",
          fix: "Use hogwild:layout=contiguous.",
        },
      );
    }
    this.#context = context;
    this.#options = options;
    this.#blocks = blocks;
    this.#names = namesOf(options.workers);
    this.#banned = options.bare ? [] : bannedTokens(context);
    this.#pattern = options.stopPattern === undefined ? undefined : new RegExp(options.stopPattern, "u");
  }

  /** Reads the prompt and the headings, and opens a block for each worker. */
  *begin(): Generator<RowsRequest, void, RowsResult> {
    const { prompt, memory, stats } = this.#context;
    const { bare, layout, headings } = this.#options;
    // Without rules, every worker begins with the last token of the prompt, to draw its first from.
    this.#common = bare
      ? prompt.slice(0, -1)
      : Int32Array.from([...prompt, ...this.#encode(prompts.rulesFor(this.#names))]);
    const rest = this.#common.subarray(memory.length);
    if (rest.length > 0) yield { tokens: rest, want: "none" };
    if (!bare && layout !== "interleaved") {
      const [head, own] = [this.#blocks.open(), this.#blocks.open()];
      this.#heading = { head, own };
      const texts = [this.#encode(prompts.othersHeading), this.#encode(prompts.ownHeading)];
      const views =
        headings === "alone"
          ? [[head], [own]]
          : [
              [0, head],
              [0, head, own],
            ];
      yield viewRows(views, texts, "none");
    }
    this.#workers = this.#names.map((name, index) => {
      const channel = this.#context.channel(index);
      channel.describe({ name });
      const start = prompts.stepLabel(name, 1) + prompts.opening(name, index === 0 && this.#names.length > 1);
      const pending = bare ? [prompt.at(-1) as number] : this.#encode(start);
      return new Worker(this.#context.tokenizer, {
        index,
        name,
        channel,
        block: this.#blocks.open(stepRoom),
        pending,
      });
    });
    Object.assign(stats, { workers: this.#names.length, steps: 0, questions: 0 });
  }

  /** Somebody has something to say, and room for it. */
  goesOn(): boolean {
    const { maxSteps = Number.POSITIVE_INFINITY } = this.#options;
    if (this.answered || this.#passes >= maxSteps) return false;
    for (let live = this.#live(); live.length > 0; live = this.#live()) {
      const fits = live.every((worker) => this.#lengthFor(worker, live) <= this.#blocks.limit);
      if (fits) return true;
      const longest = live.reduce((most, worker) => (worker.written > most.written ? worker : most));
      longest.over = true;
      longest.channel.describe({ reason: "context-overflow" });
    }
    return false;
  }

  request(): RowsRequest {
    const live = this.#live();
    this.#passes++;
    return viewRows(
      live.map((worker) => this.#viewOf(worker)),
      live.map(({ pending }) => pending),
      "last",
    );
  }

  /** Draws a token for each worker from its last row. */
  take(result: RowsResult): void {
    let row = -1;
    for (const worker of this.#live()) {
      row += worker.pending.length;
      const logits = result.logits(row);
      // Not -Infinity: where a grammar forbids all else, a worker may end.
      for (const token of this.#banned) logits[token] = (logits[token] as number) - 1e9;
      const choice = worker.channel.sampler.next(logits, worker.written);
      worker.over = worker.channel.emit(choice);
      this.#context.stats[`tokens${worker.index}`] = worker.written + 1;
      this.#sinceQuestion++;
      const ends = worker.write(choice.token) && !this.#options.bare;
      if (this.#pattern?.test(worker.text) === true) {
        this.answered = true;
        worker.channel.describe({ reason: "answered" });
      }
      const moved = ends && !worker.over && !this.answered;
      if (moved) this.#endStep(worker);
      this.#context.watch?.({ kind: "worker", worker: worker.index, tokens: [choice.token], moved });
    }
  }

  /** Asks for an answer in one ordinary text: prompt, finished steps, and what everybody was at. */
  *finish(): Generator<RowsRequest, void, RowsResult> {
    const { memory } = this.#context;
    const { finisherTokens } = this.#options;
    const channel = this.#context.channel(this.#workers.length);
    channel.describe({ name: "answer" });
    const end = this.#encode(prompts.finisher);
    const unfinished = this.#workers.flatMap((worker) => [...worker.unfinished, ...this.#encode(prompts.breakOff)]);
    const story = [...this.#history, ...this.#encode(prompts.othersHeading), ...unfinished];
    const room = this.#blocks.limit - this.#common.length - end.length - finisherTokens;
    if (room < 0) return;
    const kept = story.slice(Math.max(0, story.length - room));
    memory.rewind(this.#common.length);
    let tokens = Int32Array.from([...kept, ...end]);
    let text = prompts.finisher;
    for (let drawn = 0; drawn < finisherTokens; drawn++) {
      const result = yield { tokens, want: "last" };
      const token = greatest(result.logits(tokens.length - 1));
      if (channel.emit({ token, logProb: -0 })) return;
      text += this.#context.tokenizer.decode([token]);
      if (this.#pattern?.test(text) === true) {
        this.answered = true;
        return;
      }
      tokens = Int32Array.of(token);
    }
  }

  #endStep(worker: Worker): void {
    const { layout, checkEvery } = this.#options;
    const { stats } = this.#context;
    const label = this.#encode(prompts.stepLabel(worker.name, worker.steps + 2));
    if (checkEvery > 0 && this.#sinceQuestion > checkEvery) {
      label.push(...this.#encode(prompts.redundancyQuestion));
      this.#sinceQuestion = 0;
      stats["questions"] = (stats["questions"] ?? 0) + 1;
    }
    const step = worker.nextStep(label);
    stats["steps"] = (stats["steps"] ?? 0) + 1;
    this.#history.push(...step);
    if (layout !== "contiguous") this.#blocks.append(0, worker.block);
  }

  #live(): Worker[] {
    return this.#workers.filter(({ over }) => !over);
  }

  #viewOf(worker: Worker): number[] {
    const others = this.#workers.filter((other) => other !== worker).map(({ block }) => block);
    if (this.#options.layout === "interleaved") return [0, worker.block];
    const { head, own } = this.#heading ?? {};
    return [0, head, ...others, own, worker.block].filter((block) => block !== undefined);
  }

  /** Of a worker's view once all have written what they have pending. */
  #lengthFor(worker: Worker, live: readonly Worker[]): number {
    const view = this.#viewOf(worker);
    const held = view.reduce((sum, block) => sum + this.#blocks.lengthOf(block), 0);
    return live.reduce((sum, { block, pending }) => sum + (view.includes(block) ? pending.length : 0), held);
  }

  #encode(text: string): number[] {
    return [...this.#context.tokenizer.encode(text)];
  }
}

/** Rows for several views, one list of tokens each. */
function viewRows(views: readonly number[][], tokens: readonly number[][], want: RowsRequest["want"]): RowsRequest {
  const of = tokens.flatMap((own, view) => own.map(() => view));
  return { tokens: Int32Array.from(tokens.flat()), want, sees: { kind: "views", of: Int32Array.from(of), views } };
}

/** What would close or restructure the transcript. */
function bannedTokens({ tokenizer }: DecodeContext): number[] {
  const banned = new Set<number>(tokenizer.endTokens);
  if (tokenizer.bosToken !== undefined) banned.add(tokenizer.bosToken);
  for (const text of ["#", "##", "###", "####", "</think>"]) {
    const tokens = tokenizer.encode(text, { special: true });
    if (tokens.length === 1) banned.add(tokens[0] as number);
  }
  return [...banned];
}

function namesOf(workers: Options["workers"]): string[] {
  if (typeof workers === "number") return prompts.defaultNames.slice(0, workers);
  return typeof workers === "string" ? workers.split("+").map((name) => name.trim()) : workers;
}

function areNames(names: readonly string[]): boolean {
  return (
    names.length <= prompts.defaultNames.length &&
    names.every((name) => name.trim() !== "") &&
    new Set(names).size === names.length
  );
}

function isPattern(pattern: string): boolean {
  try {
    return new RegExp(pattern, "u") !== undefined;
  } catch {
    return false;
  }
}
