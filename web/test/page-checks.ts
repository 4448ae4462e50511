import { type Check, must, mustEqual } from "./checks.js";
import { visit, write } from "./drive-page.js";

/** The other pages, keys, theme, and a server that asks for a key or has gone. */

export const pageChecks: readonly Check[] = [
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
    name: "inside: drafts are drawn as trees, one a pass, and keys choose the pass",
    async run(page) {
      await visit(page, "#/inside");
      await page.getByRole("button", { name: "Watch" }).click();
      await page.getByRole("status").waitFor();
      await page.getByRole("img", { name: /5 drafted, 2 accepted/ }).waitFor();
      const passes = page.getByRole("slider", { name: "Pass" });
      await passes.focus();
      await page.keyboard.press("ArrowLeft");
      await page.getByRole("img", { name: /5 drafted, 0 accepted/ }).waitFor();
      mustEqual(await passes.getAttribute("aria-valuetext"), "Pass 7 gave 1 tokens", "the pass");
    },
  },
  {
    name: "inside: workers stand side by side, branches inside each other",
    async run(page) {
      await visit(page, "#/inside");
      await page.getByRole("combobox", { name: "Decoder" }).selectOption("hogwild");
      await page.getByRole("button", { name: "Watch" }).click();
      await page.getByRole("heading", { name: "Bob" }).waitFor();
      await page.getByRole("combobox", { name: "Decoder" }).selectOption("treepo");
      await page.getByRole("button", { name: "Watch" }).click();
      await page.getByRole("status").waitFor();
      mustEqual(await page.locator(".branch-tree ul ul .branch-text").count(), 2, "branches of branches");
    },
  },
  {
    name: "inside: two policies are compared over time, by layer and head",
    async run(page) {
      await visit(page, "#/inside/cache");
      await page.getByRole("button", { name: "Look inside" }).click();
      await page.locator(".heat-text").nth(1).waitFor();
      const shares = () => page.locator(".heat-columns .figure").allInnerTexts();
      const [last = ""] = await shares();
      await page.getByRole("slider", { name: "Time" }).focus();
      await page.keyboard.press("Home");
      must((await shares())[0] !== last, "time changes nothing");
      const window = page.locator(".heat-columns section").nth(1);
      must((await window.locator(".heat-none").count()) > 5, "the window keeps everything");
      await page.getByRole("combobox", { name: "Layer" }).selectOption("2");
      await page.getByRole("combobox", { name: "Head" }).selectOption("1");
      const marked = await page.locator(".heat-columns section").first().locator("span[title$='100%']").count();
      must(marked > 0, "no token is kept by one head");
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
      // The page is drawn anew once the server has said what it can do.
      await page.waitForFunction(() => document.body.innerText.includes("Ready") || window.innerWidth < 700);
      await page
        .getByRole("combobox", { name: "Cache policy" })
        .or(page.getByRole("textbox", { name: "Message" }))
        .first()
        .waitFor();
      await page.waitForTimeout(500);
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
