import type { Page } from "playwright-core";
import { type Check, must, mustBeEmpty } from "./checks.js";

/** What must hold on every page, at every size, in both themes. */

interface FocusState {
  readonly name: string;
  readonly visible: boolean;
  readonly inside: boolean;
}

declare global {
  interface Window {
    pageAudit: {
      contrast(): string[];
      overflow(): string[];
      nameless(): string[];
      focus(): Promise<FocusState | undefined>;
      shifts: { value: number; what: string }[];
    };
  }
}

const scenes: readonly { name: string; hash: string; ready: string; before?: (page: Page) => Promise<void> }[] = [
  { name: "chat, empty", hash: "#/chat", ready: ".chat-openings" },
  { name: "chat, a reply", hash: "#/chat", ready: ".composer", before: chatOnce },
  { name: "ask", hash: "#/ask/docs", ready: ".ask-form" },
  { name: "ask, an answer with its source", hash: "#/ask/docs", ready: ".ask-form", before: askOnce },
  { name: "corpora", hash: "#/corpora", ready: ".corpus-list a" },
  { name: "one corpus", hash: "#/corpora/docs", ready: ".files li" },
  { name: "map", hash: "#/map/docs", ready: ".qm canvas" },
  { name: "inside", hash: "#/inside", ready: ".inside-form" },
  { name: "inside the cache", hash: "#/inside/cache", ready: ".inside-form" },
  { name: "scheduler", hash: "#/scheduler", ready: ".pass-chart rect" },
  { name: "models", hash: "#/models", ready: ".methods li" },
  { name: "settings", hash: "#/settings", ready: ".segmented" },
];

async function chatOnce(page: Page): Promise<void> {
  await page.getByRole("textbox", { name: "Message" }).fill("Explain what a KV cache is.");
  await page.keyboard.press("Enter");
  await page.locator(".reply-figures summary").click();
}

async function askOnce(page: Page): Promise<void> {
  await page.getByRole("textbox", { name: "Question" }).fill("How does a long prompt not hold up everyone else?");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Copy answer" }).waitFor();
  await page.locator(".answer-text").getByRole("button", { name: "Source 2" }).click();
  await page.locator(".source .cited").first().waitFor();
}

/** The walk with the Tab key is the same in both themes, so one of them does without. */
export const auditChecks = (walk: boolean): readonly Check[] =>
  scenes.map(({ name, hash, ready, before }) => ({
    name: `${name}: contrast, width, names${walk ? ", focus" : ""}`,
    async run(page) {
      await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
      await page.locator(ready).first().waitFor();
      await before?.(page);
      mustBeEmpty(await page.evaluate(() => window.pageAudit.contrast()), "contrast below AA");
      mustBeEmpty(await page.evaluate(() => window.pageAudit.overflow()), "wider than the window");
      mustBeEmpty(await page.evaluate(() => window.pageAudit.nameless()), "controls without a name");
      if (!walk) return;
      const seen = new Set<string>();
      for (let press = 0; press < 24; press++) {
        await page.keyboard.press("Tab");
        const focus = await page.evaluate(() => window.pageAudit.focus());
        if (focus === undefined) continue;
        seen.add(focus.name);
        must(focus.visible, `focus cannot be seen on ${focus.name}`);
        must(focus.inside, `focus is off the screen on ${focus.name}`);
      }
      must(seen.size >= 4, `the Tab key reaches only ${[...seen].join(", ")}`);
    },
  }));
