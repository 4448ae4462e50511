import type { ChatRequestMessage } from "./chat-request.js";

/** Conversations of the Responses API, so that the next turn need not send them again. In memory, the oldest go first. */

export interface StoredResponse {
  readonly owner: string | undefined;
  readonly messages: readonly ChatRequestMessage[];
  readonly response: object;
}

const mostKept = 1000;
const mostCharacters = 64 * 2 ** 20;

export class ResponseStore {
  readonly #kept = new Map<string, StoredResponse & { readonly size: number }>();
  #characters = 0;

  get(id: string): StoredResponse | undefined {
    return this.#kept.get(id);
  }

  add(id: string, stored: StoredResponse): void {
    const size = JSON.stringify(stored).length;
    this.#kept.set(id, { ...stored, size });
    this.#characters += size;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= mostKept && this.#characters <= mostCharacters) break;
      this.remove(oldest);
    }
  }

  remove(id: string): boolean {
    this.#characters -= this.#kept.get(id)?.size ?? 0;
    return this.#kept.delete(id);
  }
}
