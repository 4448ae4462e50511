import type { Page } from "playwright-core";
import { type Check, must, mustBeEmpty, mustEqual } from "./checks.js";
import { replied, write } from "./drive-page.js";

/** Chat, driven as people drive it. */

export const chatChecks: readonly Check[] = [
  {
    name: "chat: a reply streams in, and nothing jumps while it does",
    async run(page) {
      await write(page, "Tell me a long story.");
      await page.locator(".turn-reply .markdown").waitFor();
      await page.evaluate(() => {
        window.pageAudit.shifts.length = 0;
      });
      await page.getByRole("button", { name: "Stop" }).waitFor();
      await page.waitForTimeout(1200);
      const shifts = await page.evaluate(() => window.pageAudit.shifts);
      const sum = shifts.reduce((all, { value }) => all + value, 0);
      must(sum < 0.01, `shifted by ${sum}: ${shifts.map(({ what }) => what).join(" | ")}`);
      const text = await page.locator(".turn-reply .markdown").innerText();
      must(text.length > 200, `only ${text.length} characters came`);
    },
  },
  {
    name: "chat: the view follows the end, and stays where the reader scrolls",
    async run(page) {
      await write(page, "Tell me a long story.");
      const distance = () =>
        page.locator(".thread").evaluate((view) => view.scrollHeight - view.scrollTop - view.clientHeight);
      await page.waitForFunction(() => (document.querySelector(".thread")?.scrollTop ?? 0) > 200);
      must((await distance()) < 48, "the end is out of sight");
      await page.locator(".thread").evaluate((view) => {
        view.scrollTop = 40;
      });
      await page.waitForTimeout(400);
      const top = await page.locator(".thread").evaluate((view) => view.scrollTop);
      must(Math.abs(top - 40) < 2, `the view moved to ${top}`);
      await page.getByRole("button", { name: "To the end" }).click();
      must((await distance()) < 48, "the button did not lead to the end");
    },
  },
  {
    name: "chat: stop keeps what came, write anew replaces it",
    async run(page) {
      await write(page, "Tell me a long story.");
      await page.locator(".turn-reply .markdown p").first().waitFor();
      await page.getByRole("button", { name: "Stop" }).click();
      await page.getByText("Stopped", { exact: true }).waitFor();
      const kept = await page.locator(".turn-reply .markdown").innerText();
      must(kept.length > 0, "nothing was kept");
      await page.waitForTimeout(150);
      mustEqual(await page.locator(".turn-reply .markdown").innerText(), kept, "text after stopping");
      await page.getByRole("button", { name: "Write anew" }).click();
      await page.getByRole("button", { name: "Stop" }).waitFor();
      mustEqual(await page.locator(".turn-reply").count(), 1, "replies");
    },
  },
  {
    name: "chat: a changed message drops what followed",
    async run(page) {
      await write(page, "Compare two ways in a table.");
      await replied(page);
      await write(page, "And now?");
      await replied(page);
      mustEqual(await page.locator(".turn").count(), 4, "turns");
      await page.getByRole("button", { name: "Edit and send again" }).first().click();
      await page.getByRole("textbox", { name: "Change the message" }).fill("Split a sentence.");
      await page.keyboard.press("Enter");
      await page.locator(".turn-user-text", { hasText: "Split a sentence." }).waitFor();
      await replied(page);
      mustEqual(await page.locator(".turn").count(), 2, "turns");
      must((await page.locator(".turn-user-text").innerText()) === "Split a sentence.", "the old message stands");
    },
  },
  {
    name: "chat: conversations are there after loading again",
    async run(page) {
      await write(page, "Compare two ways in a table.");
      await replied(page);
      await page.reload();
      await page.locator(".turn-reply table").waitFor();
      await page.goto(page.url().replace(/#.*/, "#/chat"));
      await page.locator(".chat-openings").waitFor();
      await openConversations(page);
      await page.getByRole("link", { name: "Compare two ways in a table." }).click();
      await page.locator(".turn-reply table").waitFor();
    },
  },
  {
    name: "chat: parameters, cache policy and decoder are sent as chosen",
    async run(page) {
      await openParameters(page);
      await page.getByRole("textbox", { name: "Temperature" }).fill("0.2");
      await page.getByRole("textbox", { name: "Seed" }).fill("7");
      await page.getByRole("combobox", { name: "Cache policy" }).selectOption("window");
      await page.getByRole("textbox", { name: "budget" }).fill("256");
      await page.getByRole("combobox", { name: "Decoder" }).selectOption("prompt-lookup");
      await page.getByRole("textbox", { name: "Top p" }).fill("7");
      await page.getByText("At most 1").waitFor();
      await page.getByRole("textbox", { name: "Top p" }).fill("");
      await closeDialog(page);
      const sent = page.waitForRequest("**/v1/chat/completions");
      await write(page, "Hello");
      const body = (await sent).postDataJSON() as Record<string, unknown>;
      mustEqual(body["temperature"], 0.2, "temperature");
      mustEqual(body["seed"], 7, "seed");
      mustEqual(body["top_p"], undefined, "top_p");
      mustEqual(body["quire"], { cache: "window:budget=256", decoder: "prompt-lookup" }, "quire");
      mustEqual(body["stream_options"], { include_usage: true }, "stream_options");
    },
  },
  {
    name: "chat: an input that is too long offers what to leave out",
    async run(page) {
      await write(page, "This is too long.");
      await page.getByText("9,120 tokens").waitFor();
      const sent = page.waitForRequest("**/v1/chat/completions");
      await page.getByRole("button", { name: "Send without the middle" }).click();
      mustEqual(((await sent).postDataJSON() as { quire: unknown }).quire, { overflow: "drop-middle" }, "quire");
      await replied(page);
      await page.getByText("1,440 tokens not read").waitFor();
    },
  },
  {
    name: "chat: a reply that breaks off says so and keeps what came",
    async run(page) {
      await write(page, "Please break off.");
      await page.getByRole("alert").getByText("The engine stopped while it wrote.").waitFor();
      await page.locator(".turn-reply .markdown").waitFor();
      await page.getByRole("button", { name: "Try again" }).waitFor();
    },
  },
  {
    name: "chat: markdown cannot run anything or fetch from elsewhere",
    async run(page) {
      const asked: string[] = [];
      page.on("request", (request) => {
        if (!request.url().startsWith("http://127.0.0.1")) asked.push(request.url());
      });
      await write(
        page,
        'echo <img src=x onerror="window.hit=1"> <script>window.hit=1</script> [a](javascript:window.hit=1) ![b](http://elsewhere.example/b.png) [c](https://c.example/)',
      );
      await replied(page);
      mustEqual(await page.locator(".markdown img, .markdown script").count(), 0, "images and scripts");
      const links = await page.locator(".markdown a").evaluateAll((all) => all.map((one) => one.getAttribute("href")));
      mustEqual(links, ["http://elsewhere.example/b.png", "https://c.example/"], "links");
      must(await page.evaluate("window.hit === undefined"), "something ran");
      mustBeEmpty(asked, "fetched from elsewhere");
    },
  },
];

async function openParameters(page: Page): Promise<void> {
  if ((await page.getByRole("textbox", { name: "Temperature" }).count()) === 0) {
    await page.getByRole("button", { name: "Parameters" }).click();
  }
}

async function openConversations(page: Page): Promise<void> {
  const button = page.getByRole("button", { name: "Conversations" });
  if (await button.isVisible()) await button.click();
}

async function closeDialog(page: Page): Promise<void> {
  if ((await page.getByRole("dialog").count()) > 0) await page.keyboard.press("Escape");
}
