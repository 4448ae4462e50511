import { describe, expect, it } from "vitest";
import { markdownTree, safeAddress } from "./markdown-tree.js";

describe("safeAddress", () => {
  it("lets web and mail addresses through", () => {
    expect(safeAddress("https://a.example/x?y#z")).toBe("https://a.example/x?y#z");
    expect(safeAddress("mailto:a@b.example")).toBe("mailto:a@b.example");
  });

  it.each([
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "/relative",
    "",
  ])("refuses %j", (address) => {
    expect(safeAddress(address)).toBeUndefined();
  });
});

describe("markdownTree", () => {
  it("knows tables and leaves HTML as one piece of text", () => {
    const { children } = markdownTree("| a |\n|---|\n| 1 |\n\n<img src=x onerror=alert(1)>");
    expect(children.map(({ type }) => type)).toEqual(["table", "html"]);
  });
});
