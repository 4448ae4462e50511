import type { SelectContext, SelectNote } from "../corpus/select/selector.js";
import type { CallUsage } from "./language-model.js";
import type { ProgramContext } from "./program.js";
import { addUsage, noUsage } from "./tree-node.js";

/** What a program lends to the way in which passages are chosen: calls of its model, booked on its tree and held to its limits, and
 *  an ear for what the evidence alone does not tell. */

export type SelectHooks = Pick<SelectContext, "generate" | "onNote">;

/** What happened while passages were chosen that the evidence does not show. */
export interface SelectionNote {
  readonly kind: SelectNote["kind"];
  readonly text: string;
  readonly file?: string;
  readonly startLine?: number;
  readonly endLine?: number;
}

export class Selection {
  readonly notes: SelectionNote[] = [];
  readonly hooks: SelectHooks;
  private usage: CallUsage & { calls: number } = { ...noUsage, calls: 0 };

  constructor(context: ProgramContext, hasModel: boolean) {
    const generate: SelectHooks["generate"] = async (prompt, { maxTokens, temperature, seed, schema }) => {
      const messages = [{ role: "user" as const, content: prompt }];
      const { text, usage } = await context.ask({ messages, maxTokens, temperature, seed, schema });
      this.usage = { ...addUsage(this.usage, usage), calls: this.usage.calls + 1 };
      return text;
    };
    this.hooks = {
      ...(hasModel ? { generate } : {}),
      onNote: ({ kind, text, chunk }) => {
        const place =
          chunk === undefined ? {} : { file: chunk.uri, startLine: chunk.startLine, endLine: chunk.endLine };
        this.notes.push({ kind, text, ...place });
      },
    };
  }

  /** The answer's usage and the selection's together. */
  added(usage: CallUsage & { readonly calls: number }): CallUsage & { calls: number } {
    return { ...addUsage(usage, this.usage), calls: usage.calls + this.usage.calls };
  }
}
