import type { Page } from "playwright-core";

/** Steps that several checks take. */

export async function write(page: Page, text: string): Promise<void> {
  await page.getByRole("textbox", { name: "Message" }).fill(text);
  await page.keyboard.press("Enter");
  await page.locator(".exchange:last-child .turn-user-text", { hasText: text.slice(0, 40) }).waitFor();
}

export const replied = (page: Page) => page.locator(".exchange:last-child .reply-figures").waitFor();

export async function visit(page: Page, hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
}
