import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { chromiumPath, launch, type SizeName, sizes, startMock } from "./browser.js";

/** Pictures of the page for docs/screenshots: `npx tsx web/test/screenshots.ts`. The texts and figures in them are the mock's. */

const folder = fileURLToPath(new URL("../../docs/screenshots/", import.meta.url));

type Scene = (page: Page) => Promise<void>;

const chatScene: Scene = async (page) => {
  const cache = page.getByRole("combobox", { name: "Cache policy" });
  if ((await cache.count()) > 0) await cache.selectOption("window");
  for (const question of [
    "How should I split long contracts?",
    "Explain what a KV cache is to someone who writes web servers.",
  ]) {
    await page.getByRole("textbox", { name: "Message" }).fill(question);
    await page.keyboard.press("Enter");
    await page.locator(".exchange:last-child .turn-user-text", { hasText: question }).waitFor();
    await page.locator(".exchange:last-child .reply-figures").waitFor();
  }
  await page.locator(".thread").evaluate((thread) => {
    const last = thread.querySelector(".exchange:last-child");
    thread.scrollTop = (last as HTMLElement).offsetTop;
  });
};

const askScene: Scene = async (page) => {
  await page.goto(new URL("#/ask/docs", page.url()).href);
  await page.getByRole("textbox", { name: "Question" }).fill("How does a long prompt not hold up everyone else?");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Copy answer" }).waitFor();
};

const askSourceScene: Scene = async (page) => {
  await askScene(page);
  await page.locator(".answer-text").getByRole("button", { name: "Source 1" }).click();
  await page.locator(".source-lines .cited").first().waitFor();
};

const mapScene: Scene = async (page) => {
  await page.goto(new URL("#/map/source", page.url()).href);
  await page.locator(".qm canvas").waitFor();
  await page.waitForTimeout(9000);
};

const schedulerScene: Scene = async (page) => {
  await page.goto(new URL("#/scheduler", page.url()).href);
  await page.waitForTimeout(5000);
};

const insideScene: Scene = async (page) => {
  await page.goto(new URL("#/inside", page.url()).href);
  await page.getByRole("button", { name: "Watch" }).click();
  await page.getByRole("status").waitFor();
};

const cacheScene: Scene = async (page) => {
  await page.goto(new URL("#/inside/cache", page.url()).href);
  await page.getByRole("button", { name: "Look inside" }).click();
  await page.locator(".heat-text").nth(1).waitFor();
};

const corporaScene: Scene = async (page) => {
  await page.goto(new URL("#/corpora/docs", page.url()).href);
  await page.getByRole("searchbox").fill("rows of a pass");
  await page.keyboard.press("Enter");
  await page.locator(".evidence").waitFor();
};

const modelsScene: Scene = async (page) => {
  await page.goto(new URL("#/models", page.url()).href);
  await page.locator(".methods").first().waitFor();
};

const pictures: readonly { name: string; scene: Scene; on: readonly [SizeName, "light" | "dark"][] }[] = [
  {
    name: "chat",
    scene: chatScene,
    on: [
      ["desktop", "light"],
      ["desktop", "dark"],
      ["phone", "light"],
    ],
  },
  {
    name: "ask",
    scene: askSourceScene,
    on: [
      ["desktop", "light"],
      ["desktop", "dark"],
    ],
  },
  { name: "ask", scene: askScene, on: [["phone", "dark"]] },
  {
    name: "map",
    scene: mapScene,
    on: [
      ["desktop", "light"],
      ["desktop", "dark"],
      ["phone", "light"],
    ],
  },
  { name: "inside", scene: insideScene, on: [["desktop", "light"]] },
  { name: "cache", scene: cacheScene, on: [["desktop", "dark"]] },
  {
    name: "scheduler",
    scene: schedulerScene,
    on: [
      ["desktop", "light"],
      ["desktop", "dark"],
      ["phone", "dark"],
    ],
  },
  { name: "corpora", scene: corporaScene, on: [["desktop", "light"]] },
  { name: "models", scene: modelsScene, on: [["desktop", "dark"]] },
];

async function take(browser: Browser, url: string, only: readonly string[], target: string): Promise<void> {
  for (const { name, scene, on } of pictures) {
    if (only.length > 0 && !only.includes(name)) continue;
    for (const [size, colorScheme] of on) {
      const context = await browser.newContext({
        viewport: sizes[size],
        colorScheme,
        reducedMotion: "reduce",
        deviceScaleFactor: size === "phone" ? 2 : 1,
      });
      const page = await context.newPage();
      await page.goto(url);
      await scene(page);
      await page.mouse.move(0, 0);
      await page.screenshot({ path: `${target}${name}-${size}-${colorScheme}.png` });
      console.log(`${name}-${size}-${colorScheme}.png`);
      await context.close();
    }
  }
}

const executable = chromiumPath();
if (executable === undefined) {
  console.log("No Chromium found: set CHROMIUM_PATH. No pictures taken.");
} else {
  mkdirSync(folder, { recursive: true });
  const mock = await startMock({ pace: 12, passMs: 45 });
  const browser = await launch(executable);
  try {
    await take(browser, mock.url, process.argv.slice(2), folder);
  } finally {
    await browser.close();
    await mock.close();
  }
}
