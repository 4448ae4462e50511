import type { Page } from "playwright-core";
import { type Check, must, mustBeEmpty, mustEqual } from "./checks.js";

/** What the page does, driven as people drive it. */

async function write(page: Page, text: string): Promise<void> {
  await page.getByRole("textbox", { name: "Message" }).fill(text);
  await page.keyboard.press("Enter");
  await page.locator(".exchange:last-child .turn-user-text", { hasText: text.slice(0, 40) }).waitFor();
}

const replied = (page: Page) => page.locator(".exchange:last-child .reply-figures").waitFor();

async function visit(page: Page, hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
}

export const behaviourChecks: readonly Check[] = [
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
  {
    name: "ask: a citation opens the source at its lines; Escape closes it and gives the focus back",
    async run(page) {
      await visit(page, "#/ask/docs");
      await page.getByRole("textbox", { name: "Question" }).fill("How does a long prompt not hold up everyone else?");
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: "Copy answer" }).waitFor();
      const citation = page.locator(".answer-text").getByRole("button", { name: "Source 1" });
      await citation.focus();
      await page.keyboard.press("Enter");
      await page.locator(".source .cited").first().waitFor();
      const cited = await page.locator(".source .cited").allInnerTexts();
      must(cited.join(" ").includes("goes to the planner"), `the lines are ${cited.join(" ").slice(0, 80)}`);
      const inView = await page
        .locator(".source .cited")
        .first()
        .evaluate((line) => {
          const box = line.getBoundingClientRect();
          return box.top >= 0 && box.bottom <= innerHeight;
        });
      must(inView, "the lines are not in view");
      mustEqual(await page.evaluate("document.activeElement.tagName"), "H2", "focus");
      await page.keyboard.press("Escape");
      must((await page.locator(".source").count()) === 0, "the source is still open");
      must(await citation.evaluate((button) => button === document.activeElement), "the focus did not come back");
    },
  },
  {
    name: "ask: evidence goes to the map and is lit there",
    async run(page) {
      await visit(page, "#/ask/docs");
      await page.getByRole("textbox", { name: "Question" }).fill("How does a long prompt not hold up everyone else?");
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: "Show on the map" }).click();
      await page.getByText("4 places lit").waitFor();
      await page.locator(".qm canvas").waitFor();
    },
  },
  {
    name: "map: a topic that is opened can be asked about alone",
    async run(page) {
      await visit(page, "#/map/source");
      await page.locator(".qm canvas").waitFor();
      const panel = page.getByRole("button", { name: "Search and tree" });
      if (await panel.isVisible()) await panel.click();
      const tree = page.getByRole("tree");
      await tree.getByRole("treeitem").first().focus();
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: /Ask about/ }).click();
      await page.getByText("Only the topic").waitFor();
      const sent = page.waitForRequest("**/ask");
      await page.getByRole("textbox", { name: "Question" }).fill("What is kept in the cache?");
      await page.keyboard.press("Enter");
      must(typeof ((await sent).postDataJSON() as { scope?: string }).scope === "string", "no topic was sent");
    },
  },
  {
    name: "corpora: create, upload, watch the indexing, search, open, delete",
    async run(page) {
      await visit(page, "#/corpora");
      await page.getByRole("button", { name: "New corpus" }).first().click();
      await page.getByRole("textbox", { name: "Name" }).fill("Trial");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Trial" }).waitFor();
      const files = ["red", "green", "blue"].map((word) => ({
        name: `${word}.md`,
        mimeType: "text/markdown",
        buffer: Buffer.from(`# ${word}\n\nThe ${word} switch opens the gate.\n`),
      }));
      const broken = { name: "broken.bin", mimeType: "application/octet-stream", buffer: Buffer.from([0, 1, 2]) };
      await page
        .locator('input[type="file"]')
        .first()
        .setInputFiles([...files, broken]);
      await page.getByText("Indexing").first().waitFor();
      await page.getByText("Ready, 1 not read").waitFor();
      await page.getByText("no reader knows its form").waitFor();
      await page.getByRole("searchbox", { name: "Search this corpus" }).fill("green switch");
      await page.keyboard.press("Enter");
      await page.locator(".evidence button").first().click();
      await page.locator(".source").getByText("The green switch opens the gate.").waitFor();
      await page.keyboard.press("Escape");
      await page.getByRole("button", { name: "Remove blue.md" }).click();
      await page.getByRole("button", { name: "blue.md", exact: true }).waitFor({ state: "detached" });
      await page.getByRole("button", { name: "Delete", exact: true }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
      await page.getByRole("heading", { name: "Corpora" }).waitFor();
      must((await page.getByRole("link", { name: /Trial/ }).count()) === 0, "the corpus is still listed");
    },
  },
  {
    name: "corpora: dropped files are sent",
    async run(page) {
      await visit(page, "#/corpora");
      await page.getByRole("button", { name: "New corpus" }).first().click();
      await page.getByRole("textbox", { name: "Name" }).fill("Dropped");
      await page.keyboard.press("Enter");
      await page.locator(".drop").waitFor();
      await page.locator(".drop").evaluate((zone) => {
        const data = new DataTransfer();
        data.items.add(new File(["Dropped text."], "dropped.txt", { type: "text/plain" }));
        zone.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
      });
      await page.locator(".files").getByRole("button", { name: "dropped.txt", exact: true }).waitFor();
    },
  },
  {
    name: "scheduler: passes are drawn, can be held, and a request can be cancelled",
    async run(page) {
      await visit(page, "#/scheduler");
      await page.locator(".pass-chart rect").nth(20).waitFor();
      await page.getByRole("button", { name: "Hold" }).click();
      await page.waitForTimeout(300);
      const held = await page.locator(".pass-chart").innerHTML();
      await page.waitForTimeout(500);
      mustEqual(await page.locator(".pass-chart").innerHTML(), held, "the held picture");
      await page.locator(".pass-chart svg").focus();
      await page.keyboard.press("ArrowLeft");
      must(/ms:/.test(await page.locator(".pass-words").innerText()), "the pass is not told in words");
      const row = page.locator(".requests tbody tr").first();
      const id = await row.locator(".request-id").innerText();
      await row.getByRole("button").click();
      await page.getByText(id, { exact: true }).waitFor({ state: "detached" });
    },
  },
  {
    name: "keyboard: skip link first, shortcuts listed by ?, pages by two keys, off when switched off",
    async run(page) {
      await page.keyboard.press("Tab");
      const first = await page.evaluate(() => document.activeElement?.textContent);
      mustEqual(first, "Skip to the content", "first stop");
      await page.keyboard.press("Enter");
      mustEqual(await page.evaluate(() => document.activeElement?.id), "main", "focus after the skip link");
      await page.keyboard.press("?");
      await page.getByRole("dialog", { name: "Shortcuts" }).waitFor();
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
      await page.keyboard.press("g");
      await page.keyboard.press("s");
      await page.getByRole("heading", { name: "Scheduler" }).waitFor();
      await page.keyboard.press("g");
      await page.keyboard.press(",");
      await page.getByRole("checkbox", { name: /Single keys/ }).uncheck();
      await page.locator("main").focus();
      await page.keyboard.press("g");
      await page.keyboard.press("s");
      await page.waitForTimeout(100);
      must((await page.getByRole("heading", { name: "Settings" }).count()) === 1, "a switched-off key acted");
    },
  },
  {
    name: "theme: chosen by the switch, kept after loading again",
    async run(page) {
      const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const before = await ground();
      await page.getByRole("button", { name: /theme/ }).first().click();
      await page.waitForFunction((old) => getComputedStyle(document.body).backgroundColor !== old, before);
      const after = await ground();
      await page.reload();
      mustEqual(await ground(), after, "the ground after loading again");
    },
  },
  {
    name: "map: the tree leads to a chunk and its source by keys alone",
    async run(page) {
      await visit(page, "#/map/docs");
      await page.locator(".qm canvas").waitFor();
      const panel = page.getByRole("button", { name: "Search and tree" });
      if (await panel.isVisible()) await panel.click();
      const tree = page.getByRole("tree");
      await tree.getByRole("treeitem").first().focus();
      await page.keyboard.press("ArrowRight");
      for (let depth = 0; depth < 4 && (await page.locator(".source").count()) === 0; depth++) {
        await page.keyboard.press("ArrowDown");
        await page.keyboard.press("ArrowRight");
        await page.keyboard.press("Enter");
        await page.waitForTimeout(100);
      }
      await page.locator(".source .cited").first().waitFor();
    },
  },
];

export const keyChecks: readonly Check[] = [
  {
    name: "key: asked for on 401, kept, and sent",
    async run(page) {
      const dialog = page.getByRole("dialog", { name: "This server asks for a key" });
      await dialog.waitFor();
      await dialog.getByLabel("Key").fill("wrong");
      await page.keyboard.press("Enter");
      await dialog.getByText("did not accept").waitFor();
      await dialog.getByLabel("Key").fill("secret");
      await page.keyboard.press("Enter");
      await dialog.waitFor({ state: "detached" });
      await page.getByText("smollm2-135m-instruct").first().waitFor();
      await page.reload();
      await page.getByText("smollm2-135m-instruct").first().waitFor();
      must((await dialog.count()) === 0, "asked again");
    },
  },
];

export const downChecks: readonly Check[] = [
  {
    name: "server gone: every page says so and offers to try again",
    async run(page) {
      await page.route("**/v1/**", (route) => route.abort("connectionrefused"));
      await visit(page, "#/corpora");
      await page.getByRole("alert").getByText("The server does not answer").waitFor();
      await page.unroute("**/v1/**");
      await page.getByRole("button", { name: "Try again" }).click();
      await page.locator(".corpus-list a").first().waitFor();
      await page.route("**/v1/**", (route) => route.abort("connectionrefused"));
      await visit(page, "#/chat");
      await write(page, "Hello");
      await page.getByRole("alert").getByText("The server does not answer").waitFor();
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
