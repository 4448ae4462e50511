import { describe, expect, test } from "vitest";
import { LinkResolver } from "./resolve-links.js";
import { anchorsOf, linksOf, slugOf } from "./source-links.js";

const targets = (uri: string, text: string) => linksOf(uri, text).map(({ target, anchor }) => `${target}#${anchor}`);

describe("links", () => {
  test("of Markdown: inline, with titles and angles, by reference, of wikis; not those of the web", () => {
    const text = `See [a](guide/a.md "A") and [b](<b.md#some-part>).
[ref]: ../up.md
[web](https://example.org/x.md) [[Other Page|shown]] [here](#below)`;
    expect(targets("docs/x.md", text).sort()).toEqual(
      ["guide/a.md#", "b.md#some-part", "../up.md#", "Other Page#", "#below"].sort(),
    );
    expect(targets("docs/x.txt", "Settings are explained in setup/settings.md, see there.")).toEqual([
      "setup/settings.md#",
    ]);
  });

  test("of HTML, with entities and escapes; mail and scripts are none", () => {
    const text = `<a class="x" href="ch%20one.html?v=1&amp;w=2#s-1">1</a> <A HREF='two.html'>2</A> <a href="mailto:x@y">m</a>`;
    expect(targets("index.html", text)).toEqual(["ch one.html#s-1", "two.html#"]);
  });

  test.each([
    [
      "a.ts",
      `import { x } from "./b.js";\nexport * from "../c.js";\nconst d = await import("./d.js");`,
      ["./b.js", "../c.js", "./d.js"],
    ],
    ["a.py", "from .b import c\nimport pkg.sub.mod\n", [".b", "pkg.sub.mod"]],
    ["a.c", '#include "own.h"\n#include <stdio.h>\n', ["own.h"]],
    ["A.java", "import static org.acme.Tool;\n", ["org.acme.Tool"]],
    ["a.rs", "pub mod store;\nuse crate::engine::run;\n", ["store", "engine::run"]],
    ["a.rb", "require_relative 'lib/x'\n", ["lib/x"]],
  ])("imports of %s", (uri, text, expected) => {
    expect(linksOf(uri, text).map(({ target }) => target)).toEqual(expect.arrayContaining(expected));
  });

  test("lines count from where the text begins", () => {
    expect(linksOf("a.md", "x\n[y](z.md)", 10)[0]!.line).toBe(11);
    expect(anchorsOf("a.md", "# One `two`\n\n## Three, four", 5)).toEqual([
      { anchor: "one-two", line: 5 },
      { anchor: "three-four", line: 7 },
    ]);
    expect(anchorsOf("a.html", '<p>\n<h2 id="s1">')).toEqual([{ anchor: "s1", line: 2 }]);
    expect(slugOf("What's new? [See](x.md)")).toBe("whats-new-see");
  });

  test("a very long line is passed over at once", () => {
    const began = performance.now();
    expect(linksOf("a.md", `${"[".repeat(200_000)}](x.md)`)).toEqual([]);
    expect(linksOf("a.md", "[a](".repeat(4000)).length).toBeLessThan(5000);
    expect(performance.now() - began).toBeLessThan(1000);
  });
});

describe("where a link leads", () => {
  const resolver = new LinkResolver([
    "README.md",
    "docs/index.html",
    "docs/guide/a.md",
    "src/engine/run.ts",
    "src/engine/index.ts",
    "pkg/sub/mod.py",
    "pkg/sub/__init__.py",
    "other/sub/mod.py",
    "com/acme/Tool.java",
  ]);
  const lead = (from: string, target: string, kind: "path" | "module" = "path") => {
    const found = resolver.resolve(from, { target, kind });
    return found === undefined ? undefined : resolver.uris[found];
  };

  test("paths: beside, above, from the root, folders, and .js for .ts", () => {
    expect(lead("docs/guide/b.md", "a.md")).toBe("docs/guide/a.md");
    expect(lead("docs/guide/a.md", "../../README.md")).toBe("README.md");
    expect(lead("docs/guide/a.md", "/docs/")).toBe("docs/index.html");
    expect(lead("src/engine/x.ts", "./run.js")).toBe("src/engine/run.ts");
    expect(lead("src/main.ts", "./engine")).toBe("src/engine/index.ts");
    expect(lead("README.md", "missing.md")).toBeUndefined();
    expect(lead("README.md", "")).toBe("README.md");
  });

  test("modules: the nearest whose path ends so; plain words of elsewhere are libraries", () => {
    expect(lead("pkg/main.py", "pkg.sub.mod", "module")).toBe("pkg/sub/mod.py");
    expect(lead("pkg/main.py", "sub.mod", "module")).toBe("pkg/sub/mod.py");
    expect(lead("other/main.py", "sub.mod", "module")).toBe("other/sub/mod.py");
    expect(lead("x/App.java", "com.acme.Tool", "module")).toBe("com/acme/Tool.java");
    expect(lead("pkg/main.py", "os", "module")).toBeUndefined();
    expect(lead("pkg/main.py", "...", "module")).toBeUndefined();
  });
});
