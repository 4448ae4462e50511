import { z } from "zod";
import { isQuireError, nearest, QuireError, throwIfAborted } from "../errors.js";
import { answerAction, checkEnvironment, type Environment } from "./expand/environment.js";
import { type Expansion, expansionMessages, readExpansion } from "./expand/expansion-prompt.js";
import {
  addNode,
  closedBy,
  newTree,
  nextOf,
  nodeOf,
  type PlanEnd,
  type PlanNode,
  type PlanResult,
  type PlanTree,
} from "./expand/plan-tree.js";
import { languageNames, runInSandbox } from "./expand/sandbox.js";
import { parseStatements, type Statement } from "./expand/statements.js";
import { type ProgramContext, program } from "./program.js";

/** ReCode: plan and act in one program. Calls that do not exist yet are plans; each is replaced by more code when its turn comes, with the
 *  values of its variables in view, until only actions are left.
 *  Paper    Yu et al. 2025, "ReCode: Unify Plan and Action for Universal Granularity Control", arXiv 2510.23564.
 *           Page: docs/methods/recode.md
 *  Takes    a task, an environment of actions, and a tree of an earlier run to go on with
 *  Does     runs statements depth first in a sandbox; expands what calls an unknown name by one model call that sees the statement and
 *           its variables, and nothing else
 *  Cost     a model call for every unknown call, whatever was done before; loops over data cost none
 *  Differs  JavaScript in QuickJS instead of Python; a statement is looked at before it runs, so nothing is half done; outputs that an
 *           expansion forgot are an error; the task is always shown
 *  Not      ask and read (their calls are fixed beforehand), llm-algorithms (decompositions written by people)
 *  Errors   bad-option for an environment that cannot be; what actions and limits throw, with the tree so far as `partial` */
export const recode = program({
  name: "recode",
  title: "Plan and act in one program, expanded depth first",
  arxiv: "2510.23564",
  options: z.object({
    maxDepth: z.number().int().min(0).default(10).describe("deepest node that may be expanded"),
    maxRewrite: z.number().int().min(1).default(5).describe("times that code which cannot be used is asked for again"),
    maxActions: z.number().int().min(1).default(200).describe("actions in all"),
    repair: z
      .number()
      .int()
      .min(0)
      .max(1)
      .default(0)
      .describe("1: what failed is planned once more, with the error in view"),
    answerTokens: z.number().int().min(16).default(800).describe("most tokens of an expansion"),
    temperature: z.number().min(0).default(0).describe("of expansions"),
  }),
  create: (options) => async (input: RecodeInput, context) => new Run(options, input, context).go(),
});

export interface RecodeInput {
  readonly instruction: string;
  readonly environment: Environment;
  /** Of a run that was stopped: it goes on where it was, and repeats no action. */
  readonly resume?: PlanTree;
  /** Variables shown to every expansion; default the task. */
  readonly always?: readonly string[];
  /** Called after every change. */
  onChange?(tree: PlanTree): void;
}

interface Options {
  readonly maxDepth: number;
  readonly maxRewrite: number;
  readonly maxActions: number;
  readonly repair: number;
  readonly answerTokens: number;
  readonly temperature: number;
}

class Run {
  readonly #options: Options;
  readonly #input: RecodeInput;
  readonly #context: ProgramContext;
  readonly #tree: PlanTree;
  readonly #actionNames: ReadonlySet<string>;
  readonly #repaired = new Set<number>();
  #actions: number;
  #calls = 0;
  #answer: { readonly value: unknown } | undefined;

  constructor(options: Options, input: RecodeInput, context: ProgramContext) {
    const { instruction, environment, resume } = input;
    checkEnvironment(environment);
    if (instruction.trim() === "") throw new QuireError("bad-input", "The task is empty.", { expected: "words" });
    this.#options = options;
    this.#input = input;
    this.#context = context;
    const { observation = "" } = environment;
    this.#tree = resume ?? newTree("solve(instruction, observation)", { instruction, observation });
    this.#actionNames = new Set([...environment.actions.map(({ name }) => name), answerAction]);
    this.#actions = this.#tree.nodes.reduce((sum, { actions }) => sum + actions.length, 0);
  }

  async go(): Promise<PlanResult> {
    try {
      for (;;) {
        const { current } = this.#tree;
        const node = current === undefined ? undefined : nodeOf(this.#tree, current);
        if (node === undefined) return this.#end("finished");
        const end = node.status === "stub" ? await this.#expand(node) : await this.#execute(node);
        this.#input.onChange?.(this.#tree);
        if (end !== undefined) return this.#end(end.reason, end.error);
        if (this.#answer !== undefined) return this.#end("answered");
        if (this.#input.environment.isDone?.() === true) return this.#end("finished");
      }
    } catch (error) {
      if (!isQuireError(error)) throw error;
      const { code, message, got, expected, fix } = error;
      throw new QuireError(code, message, { got, expected, fix, cause: error, partial: this.#tree });
    }
  }

  #end(reason: PlanEnd, error?: QuireError): PlanResult {
    const tree = this.#tree;
    const failure = error === undefined ? {} : { error };
    return { reason, answer: this.#answer?.value, tree, actions: this.#actions, calls: this.#calls, ...failure };
  }

  async #execute(node: PlanNode): Promise<Ending | undefined> {
    const [statement] = statementsOf(node.code);
    if (statement === undefined) throw new QuireError("bad-input", `A statement of the plan is broken: ${node.code}`);
    if (this.#unknownCall(statement) !== undefined) {
      node.status = "stub";
      return undefined;
    }
    node.observations = [];
    let made = 0;
    try {
      const { variables, printed } = await runInSandbox({
        code: statement.runnable(this.#actionNames),
        variables: this.#tree.variables,
        assigns: statement.assigns.filter((name) => !name.startsWith("_")),
        primitives: [...this.#actionNames],
        call: (name, args) => this.#act(node, made++, name, args),
        signal: this.#context.signal,
      });
      node.observations.push(...printed);
      this.#tree.variables = variables;
    } catch (error) {
      return this.#failed(node, error);
    }
    node.status = "completed";
    return this.#leave(node);
  }

  /** A bare name that stands for nothing yet. */
  #unknownCall({ calls }: Statement): string | undefined {
    const { variables } = this.#tree;
    return calls.find((name) => !this.#actionNames.has(name) && !languageNames.includes(name) && !(name in variables));
  }

  async #act(node: PlanNode, place: number, name: string, args: readonly unknown[]): Promise<unknown> {
    const before = node.actions[place];
    if (before !== undefined && before.name === name && JSON.stringify(before.args) === JSON.stringify(args)) {
      node.observations.push(textOf(before.result));
      if (name === answerAction) this.#answer = { value: args[0] };
      return before.result;
    }
    if (this.#actions >= this.#options.maxActions) throw new TooManyActions(this.#options.maxActions);
    throwIfAborted(this.#context.signal);
    const action = this.#input.environment.actions.find((one) => one.name === name);
    const result = action === undefined ? null : await action.call(args, this.#context);
    if (name === answerAction) this.#answer = { value: args[0] };
    this.#actions++;
    node.actions[place] = { name, args, result };
    node.observations.push(textOf(result));
    this.#input.onChange?.(this.#tree);
    return result;
  }

  #failed(node: PlanNode, error: unknown): Ending | undefined {
    if (error instanceof TooManyActions) return { reason: "actions", error };
    const typed = isQuireError(error)
      ? error
      : new QuireError("bad-input", `An action failed: ${(error as Error).message}`, { cause: error });
    if (typed.code === "cancelled" || this.#context.signal.aborted) throw typed;
    node.status = "error";
    node.error = typed.message;
    const parent = node.parent === undefined ? undefined : nodeOf(this.#tree, node.parent);
    if (this.#options.repair === 0 || parent === undefined || this.#repaired.has(parent.id))
      return { reason: "error", error: typed };
    this.#repaired.add(parent.id);
    parent.error = `When it was tried, ${node.code} failed: ${typed.message}`;
    parent.children.length = 0;
    this.#tree.current = parent.id;
    return undefined;
  }

  async #expand(stub: PlanNode): Promise<Ending | undefined> {
    const { maxDepth, maxRewrite, answerTokens, temperature } = this.#options;
    if (stub.depth >= maxDepth) return { reason: "depth" };
    const [statement] = statementsOf(stub.code) as [Statement];
    const shown = this.#shown(statement);
    let hint = stub.error;
    for (let attempt = 0; attempt < maxRewrite; attempt++) {
      const messages = expansionMessages(this.#input.environment, { statement: stub.code, shown, hint });
      const unknown = this.#unknownCall(statement) ?? "statement";
      this.#calls++;
      const { text } = await this.#context.child(unknown, (inner) =>
        inner.ask({ messages, maxTokens: answerTokens, temperature }),
      );
      const expansion = readExpansion(text);
      if (expansion === undefined) {
        hint = "Answer with <think>…</think><execute>code</execute>.";
        continue;
      }
      const parsed = parseStatements(expansion.code);
      if ("problem" in parsed) {
        hint = parsed.problem;
        continue;
      }
      return this.#take(stub, statement, expansion, parsed.statements);
    }
    stub.status = "error";
    stub.error = hint;
    return { reason: "rewrite" };
  }

  #take(
    stub: PlanNode,
    statement: Statement,
    { thought }: Expansion,
    statements: readonly Statement[],
  ): Ending | undefined {
    stub.thought = thought;
    delete stub.error;
    if (statements.length === 0) {
      stub.status = "skip";
      return this.#leave(stub);
    }
    for (const one of statements) addNode(this.#tree, one.code, stub);
    this.#warn(stub, statement, statements);
    this.#tree.current = nextOf(this.#tree, stub)?.id;
    return undefined;
  }

  /** What the model sees of the variables: those always shown, and those of the statement's first call. */
  #shown(statement: Statement): [string, unknown][] {
    const { always = ["instruction"] } = this.#input;
    const { variables } = this.#tree;
    const shown = new Map<string, unknown>();
    for (const name of always) if (name in variables) shown.set(name, variables[name]);
    for (const argument of statement.shown) {
      // A literal with a name becomes a variable, so that later code can pass it on.
      if (argument.kind === "literal") variables[argument.name] = argument.value;
      if (argument.name in variables) shown.set(argument.name, variables[argument.name]);
    }
    return [...shown];
  }

  /** On to the next node; stubs whose last child this was must have brought what they promised. */
  #leave(node: PlanNode): Ending | undefined {
    for (const stub of closedBy(this.#tree, node)) {
      const [statement] = statementsOf(stub.code);
      const missing =
        statement?.assigns.filter((name) => !name.startsWith("_") && !(name in this.#tree.variables)) ?? [];
      if (missing.length === 0 || stub.children.every((id) => nodeOf(this.#tree, id).status === "skip")) continue;
      const error = new QuireError(
        "bad-input",
        `${stub.code}: what it was to give is missing: ${missing.join(", ")}.`,
        {
          got: "missing output",
          expected: missing.join(", "),
        },
      );
      const last = nodeOf(this.#tree, stub.children.at(-1) as number);
      return this.#failed(last, error);
    }
    this.#tree.current = nextOf(this.#tree, node)?.id;
    return undefined;
  }

  /** Variables are one flat store: an expansion that uses a name for itself which somebody still wants to read is worth a word. */
  #warn(stub: PlanNode, statement: Statement, statements: readonly Statement[]): void {
    const own = new Set(statement.assigns);
    const wanted = new Map<string, string>();
    for (let node = stub; node.parent !== undefined; node = nodeOf(this.#tree, node.parent)) {
      for (const id of nodeOf(this.#tree, node.parent).children.filter((one) => one > node.id)) {
        const { code } = nodeOf(this.#tree, id);
        for (const name of statementsOf(code)[0]?.reads ?? []) if (name in this.#tree.variables) wanted.set(name, code);
      }
    }
    for (const name of new Set(statements.flatMap(({ assigns }) => assigns))) {
      const reader = wanted.get(name);
      if (reader !== undefined && !own.has(name))
        this.#tree.notes.push(`${stub.code} assigns ${name}, which "${reader}" still reads.`);
    }
    for (const { calls } of statements) {
      for (const name of calls) {
        const near = nearest(name, [...this.#actionNames]);
        if (name.length > 3 && !this.#actionNames.has(name) && !languageNames.includes(name) && near.length > 0)
          this.#tree.notes.push(`${name} is no action; ${near.join(" or ")} is.`);
      }
    }
  }
}

interface Ending {
  readonly reason: PlanEnd;
  readonly error?: QuireError;
}

class TooManyActions extends QuireError {
  constructor(most: number) {
    super("budget-exceeded", "The plan made more actions than it may.", { got: most, expected: `at most ${most}` });
  }
}

function statementsOf(code: string): readonly Statement[] {
  const parsed = parseStatements(code);
  return "problem" in parsed ? [] : parsed.statements;
}

const longestObservation = 2 ** 20;

function textOf(result: unknown): string {
  const text = typeof result === "string" ? result : (JSON.stringify(result) ?? "");
  return text.length > longestObservation ? `${text.slice(0, longestObservation)} [cut]` : text;
}
