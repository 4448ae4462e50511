/** Turns the messages of a chat into the text a model was trained on, by the jinja template in the model's metadata. Without one:
 *  ChatML where the vocabulary has its tokens, and plain "User: … Assistant:" text for base models, which know no chat.
 *  A template is a program that came with a file: its time, its loops and its output are limited. */

import vm from "node:vm";
import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import { QuireError } from "../errors.js";
import { type ChatPrompt, promptParts, unusedMarks } from "./chat-prompt.js";
import type { GgufTokenizer } from "./gguf-tokenizer.js";
import type { Metadata } from "./vocab/vocabulary.js";

export interface ChatMessage {
  readonly role: string;
  readonly content: string | readonly { readonly type: "text"; readonly text: string }[] | null;
  readonly [field: string]: unknown;
}

export interface ChatTemplateOptions {
  /** The jinja source; undefined where the model has none. */
  readonly template: string | undefined;
  readonly bosText?: string;
  readonly eosText?: string;
  /** The model's own encoder puts the beginning-of-text token in front, so the template's is taken off. */
  readonly addsBos?: boolean;
  /** Texts of control tokens: in messages they are read as plain text. */
  readonly controlTexts?: readonly string[];
}

export interface RenderOptions {
  /** Ends with the opening of the model's turn; default true. */
  readonly addGenerationPrompt?: boolean;
  readonly tools?: readonly unknown[];
  /** Further variables that the template knows, such as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>;
  /** For templates that state the date. */
  readonly now?: Date;
}

export interface ChatTemplate {
  /** "template": the model's own. "chatml": none, but the model has ChatML's tokens. "plain": a base model. */
  readonly kind: "template" | "chatml" | "plain";
  /** Strings that end the model's turn beside its end tokens. */
  readonly stops: readonly string[];
  render(messages: readonly ChatMessage[], options?: RenderOptions): ChatPrompt;
}

/** The template of a GGUF file's model, for the tokenizer made from the same file. */
export function ggufChatTemplate(metadata: Metadata, tokenizer: GgufTokenizer): ChatTemplate {
  const template = metadata.get("tokenizer.chat_template");
  if (template !== undefined && typeof template !== "string") throw broken("is not a text");
  const textOf = (token: number | undefined) => (token === undefined ? undefined : tokenizer.text(token));
  return chatTemplate({
    template,
    bosText: textOf(tokenizer.bosToken),
    eosText: textOf(tokenizer.eosToken),
    addsBos: tokenizer.addsBos,
    controlTexts: tokenizer.controlTexts(),
  });
}

const chatml = `{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`;
const plain = `{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}{% else %}{{ message['role'] | capitalize + ': ' + message['content'] + '\\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}`;

const limits = {
  templateCharacters: 200_000,
  promptCharacters: 64 * 2 ** 20,
  rangeLength: 100_000,
  milliseconds: 2000,
};

export function chatTemplate(options: ChatTemplateOptions): ChatTemplate {
  const controls = options.controlTexts ?? [];
  const kind =
    options.template !== undefined
      ? "template"
      : controls.includes("<|im_start|>") && controls.includes("<|im_end|>")
        ? "chatml"
        : "plain";
  const program = parseTemplate(options.template ?? (kind === "chatml" ? chatml : plain));

  return {
    kind,
    stops: kind === "plain" ? ["\nUser:", "\nuser:"] : [],
    render(messages, { addGenerationPrompt = true, tools, variables = {}, now = new Date() } = {}) {
      checkMessages(messages);
      const marks = unusedMarks([messages, tools ?? [], variables], controls);
      const environment = new Environment();
      let refusal: string | undefined;
      const known: Record<string, unknown> = {
        true: true,
        True: true,
        false: false,
        False: false,
        none: null,
        None: null,
        raise_exception: (message: unknown) => {
          refusal = String(message);
          throw new Error(refusal);
        },
        range: boundedRange,
        strftime_now: (format: unknown) => strftime(now, String(format)),
        ...marks.protect(variables),
        messages: messages.map((message) => {
          const given = withTextContent(message);
          // What the model itself said may hold control texts that the template looks for, such as </think>.
          return message.role === "assistant" ? given : { ...marks.protect(given), role: message.role };
        }),
        tools: tools === undefined || tools.length === 0 ? null : marks.protect(tools),
        documents: null,
        add_generation_prompt: addGenerationPrompt,
        bos_token: options.bosText ?? "",
        eos_token: options.eosText ?? "",
      };
      for (const [name, value] of Object.entries(known)) environment.set(name, value);
      let text = withinTime(
        () => String(new Interpreter(environment).run(program).value),
        () => refusal,
      );
      if (text.length > limits.promptCharacters) throw broken(`writes ${text.length} characters`);
      if (options.addsBos && options.bosText && text.startsWith(options.bosText))
        text = text.slice(options.bosText.length);
      return promptParts(text, marks);
    },
  };
}

function parseTemplate(source: string): ReturnType<typeof parse> {
  if (source.length > limits.templateCharacters) throw broken(`has ${source.length} characters`);
  return withinTime(
    () => parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true })),
    () => undefined,
  );
}

function broken(what: string, cause?: unknown): QuireError {
  return new QuireError("bad-file", `The model's chat template ${what}.`, {
    expected: "a jinja template that writes a prompt",
    fix: "Use another file of this model, or complete plain text instead of chatting.",
    cause,
  });
}

let guard: { readonly sandbox: vm.Context; readonly script: vm.Script } | undefined;

/** Runs code that came with a file; it can be stopped even inside a loop, since the time limit holds for all it calls. */
function withinTime<Result>(run: () => Result, refusal: () => string | undefined): Result {
  let result: Result | undefined;
  guard ??= { sandbox: vm.createContext({ run: undefined }), script: new vm.Script("run()") };
  guard.sandbox["run"] = () => {
    result = run();
  };
  try {
    guard.script.runInContext(guard.sandbox, { timeout: limits.milliseconds });
  } catch (cause) {
    const refused = refusal();
    if (refused !== undefined) {
      throw new QuireError("bad-input", `The model's chat template refuses these messages: ${refused}`, {
        got: refused,
        expected: "roles and order of messages as this model knows them",
      });
    }
    const timedOut = (cause as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
    throw broken(timedOut ? `takes more than ${limits.milliseconds} ms` : `fails: ${(cause as Error).message}`, cause);
  }
  return result as Result;
}

function checkMessages(messages: readonly ChatMessage[]): void {
  const isText = (content: unknown) =>
    typeof content === "string" ||
    content === null ||
    content === undefined ||
    (Array.isArray(content) && content.every((part) => part?.type === "text" && typeof part.text === "string"));
  const bad = Array.isArray(messages)
    ? messages.find((message) => typeof message?.role !== "string" || message.role === "" || !isText(message.content))
    : messages;
  if (bad === undefined && messages.length > 0) return;
  throw new QuireError("bad-input", "The messages of the chat cannot be used.", {
    got: bad ?? "no messages",
    expected: 'at least one { role: "user", content: "text" }',
  });
}

function withTextContent(message: ChatMessage): Record<string, unknown> {
  const { content } = message;
  if (typeof content === "string") return message as Record<string, unknown>;
  return { ...message, content: (content ?? []).map((part) => part.text).join("") };
}

function boundedRange(from: number, to?: number, step = 1): number[] {
  const [start, end] = to === undefined ? [0, from] : [from, to];
  const length = Math.ceil((end - start) / step);
  if (!(length <= limits.rangeLength)) throw new Error(`range of ${length}`);
  return Array.from({ length: Math.max(0, length) }, (_, i) => start + i * step);
}

const months = "January February March April May June July August September October November December".split(" ");
const days = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split(" ");

function strftime(date: Date, format: string): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const fields: Record<string, () => string> = {
    Y: () => String(date.getFullYear()),
    y: () => two(date.getFullYear() % 100),
    m: () => two(date.getMonth() + 1),
    d: () => two(date.getDate()),
    B: () => months[date.getMonth()]!,
    b: () => months[date.getMonth()]!.slice(0, 3),
    A: () => days[date.getDay()]!,
    a: () => days[date.getDay()]!.slice(0, 3),
    H: () => two(date.getHours()),
    M: () => two(date.getMinutes()),
    S: () => two(date.getSeconds()),
    "%": () => "%",
  };
  return format.replace(/%([A-Za-z%])/g, (whole, field: string) => fields[field]?.() ?? whole);
}
