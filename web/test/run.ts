import { readFileSync } from "node:fs";
import type { Browser, BrowserContext } from "playwright-core";
import { auditChecks } from "./audit-checks.js";
import { chromiumPath, launch, type SizeName, sizes, startMock } from "./browser.js";
import { chatChecks } from "./chat-checks.js";
import { type Check, type Outcome, runChecks } from "./checks.js";
import { downChecks, keyChecks, pageChecks } from "./page-checks.js";

/** The page in a headless Chromium against the mock server: `npx tsx web/test/run.ts [words of a check's name]`. Build it before. */

const audit = readFileSync(new URL("./page-audit.js", import.meta.url), "utf8");

function contexts(browser: Browser, size: SizeName, colorScheme: "light" | "dark") {
  return async (): Promise<BrowserContext> => {
    const context = await browser.newContext({
      viewport: sizes[size],
      colorScheme,
      hasTouch: size === "phone",
      reducedMotion: "reduce",
    });
    await context.addInitScript(audit);
    return context;
  };
}

async function main(executable: string): Promise<Outcome> {
  const outcome: Outcome = { passed: 0, failed: 0 };
  const words = process.argv.slice(2).join(" ").toLowerCase();
  const chosen = (checks: readonly Check[]) => checks.filter(({ name }) => name.toLowerCase().includes(words));
  const browser = await launch(executable);
  const mock = await startMock({ pace: 4, passMs: 25 });
  const locked = await startMock({ pace: 4, key: "secret" });
  try {
    for (const size of ["desktop", "phone"] as const) {
      for (const scheme of ["light", "dark"] as const) {
        console.log(`${size}, ${scheme}`);
        await runChecks(chosen(auditChecks(scheme === "light")), contexts(browser, size, scheme), mock.url, outcome);
      }
      // What the page does is the same in both themes.
      console.log(`${size}, behaviour`);
      const context = contexts(browser, size, "light");
      await runChecks(chosen([...chatChecks, ...pageChecks, ...downChecks]), context, mock.url, outcome);
      await runChecks(chosen(keyChecks), context, locked.url, outcome);
    }
  } finally {
    await browser.close();
    await mock.close();
    await locked.close();
  }
  return outcome;
}

const executable = chromiumPath();
if (executable === undefined) {
  console.log("No Chromium found (CHROMIUM_PATH or the usual places): the page was not tested.");
} else {
  const { passed, failed } = await main(executable);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
