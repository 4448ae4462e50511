import type { HeldMemory } from "./engine/sequence-options.js";
import type { GenerateOptions, GeneratePiece, GenerateResult } from "./generate-options.js";
import type { ChatMessage } from "./programs/language-model.js";
import type { Quire } from "./quire.js";

/** A conversation. The keys and values of earlier turns stay, so a turn costs only what is new. */

export interface ChatOptions extends GenerateOptions {
  system?: string;
}

export class Chat {
  readonly messages: ChatMessage[] = [];
  readonly #quire: Quire;
  readonly #options: GenerateOptions;
  readonly #memory: { held: HeldMemory | undefined } = { held: undefined };

  constructor(quire: Quire, { system, ...options }: ChatOptions = {}) {
    this.#quire = quire;
    this.#options = options;
    if (system !== undefined) this.messages.push({ role: "system", content: system });
  }

  async send(text: string, options: GenerateOptions = {}): Promise<GenerateResult> {
    const stream = this.#pieces(text, options);
    for (;;) {
      const next = await stream.next();
      if (next.done === true) return next.value;
    }
  }

  /** The answer's text as it comes. */
  async *stream(text: string, options: GenerateOptions = {}): AsyncGenerator<string, GenerateResult> {
    const stream = this.#pieces(text, options);
    for (;;) {
      const next = await stream.next();
      if (next.done === true) return next.value;
      if (next.value.text !== "") yield next.value.text;
    }
  }

  /** Forgets the conversation but for the system message. */
  clear(): void {
    const system = this.messages[0]?.role === "system" ? this.messages[0] : undefined;
    this.messages.length = 0;
    if (system !== undefined) this.messages.push(system);
    this.close();
  }

  /** Frees the memory of earlier turns. */
  close(): void {
    if (this.#memory.held !== undefined) this.#quire.engine.release(this.#memory.held);
    this.#memory.held = undefined;
  }

  async *#pieces(text: string, options: GenerateOptions): AsyncGenerator<GeneratePiece, GenerateResult> {
    const all = { ...this.#options, ...options };
    const asked: ChatMessage[] = [...this.messages, { role: "user", content: text }];
    const prompt = this.#quire.encodeChat(asked);
    const stop = [...(all.stop ?? []), ...this.#quire.template.stops];
    let answer = "";
    const stream = this.#quire.streamTokens(prompt, { ...all, stop }, this.#memory);
    try {
      for (;;) {
        const next = await stream.next();
        if (next.done === true) return next.value;
        answer += next.value.text;
        yield next.value;
      }
    } finally {
      await stream.return(undefined as never);
      // What was said so far stays said, also when the reader left early or the signal stopped it.
      if (answer !== "") this.messages.push({ role: "user", content: text }, { role: "assistant", content: answer });
    }
  }
}
