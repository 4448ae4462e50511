import type { BrowserContext, Page } from "playwright-core";

/** A small runner: named checks, each on a page of its own, all of them run, failures told with their reason. */

export interface Check {
  readonly name: string;
  run(page: Page): Promise<void>;
}

export class Failure extends Error {}

export function must(condition: boolean, words: string): asserts condition {
  if (!condition) throw new Failure(words);
}

export function mustEqual<Value>(got: Value, wanted: Value, words: string): void {
  const [one, other] = [JSON.stringify(got), JSON.stringify(wanted)];
  must(one === other, `${words}: got ${one}, expected ${other}`);
}

export const mustBeEmpty = (found: readonly string[], words: string): void =>
  must(found.length === 0, `${words}: ${found.slice(0, 8).join(" | ")}`);

export interface Outcome {
  passed: number;
  failed: number;
}

/** Messages of the browser that are part of a check, such as a refused request, do not count as errors of the page. */
const expected = /the server responded with a status of (400|401|404|503)|ERR_CONNECTION_REFUSED/;

export async function runChecks(
  checks: readonly Check[],
  context: () => Promise<BrowserContext>,
  url: string,
  outcome: Outcome,
): Promise<void> {
  for (const check of checks) {
    const opened = await context();
    const page = await opened.newPage();
    page.setDefaultTimeout(8000);
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type()) && !expected.test(message.text())) errors.push(message.text());
    });
    try {
      await page.goto(url);
      await check.run(page);
      mustBeEmpty(errors, "errors in the console");
      outcome.passed++;
      console.log(`  passed  ${check.name}`);
    } catch (error) {
      outcome.failed++;
      const words = error instanceof Error ? error.message : String(error);
      console.log(`  FAILED  ${check.name}\n          ${words.split("\n").slice(0, 4).join("\n          ")}`);
    } finally {
      await opened.close();
    }
  }
}
