import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { expect, it, onTestFinished } from "vitest";
import { temporaryFolder } from "../../cli/run-cli.case.js";

/** An MCP client starts `quire mcp` itself, as editors do, and uses its tools. */

interface ToolAnswer {
  readonly isError?: boolean;
  readonly content: readonly { readonly text: string }[];
}

it("searches, asks and reads a folder over MCP", async () => {
  const folder = await temporaryFolder();
  const docs = path.join(folder, "docs");
  await mkdir(docs);
  await writeFile(path.join(docs, "port.md"), "# Port\n\nThe widget server listens on port 4711.\n");
  await writeFile(path.join(docs, ".gitignore"), "secret.md\n");
  await writeFile(path.join(docs, "secret.md"), "nobody may read this\n");
  const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
  const loader = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const client = new Client({ name: "test", version: "1.0.0" });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: ["--import", loader, main, "mcp", docs, "--no-model", "--embedder", "none", "--quiet"],
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: process.env["HOME"] ?? "",
        QUIRE_CACHE: path.join(folder, "cache"),
      },
    }),
  );
  onTestFinished(() => client.close());
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name).sort()).toEqual(["ask", "read", "search"]);
  const call = async (name: string, args: Record<string, unknown>): Promise<ToolAnswer> =>
    (await client.callTool({ name, arguments: args })) as unknown as ToolAnswer;
  const found = await call("search", { query: "widget port" });
  expect(found.content[0]!.text).toMatch(/^port\.md:1-3\n[\s\S]*4711/);
  const asked = await call("ask", { question: "On which port does the widget server listen?" });
  expect(asked.content[0]!.text).toMatch(/4711[\s\S]*\[1\] port\.md:3-3/);
  const read = await call("read", { file: "port.md", start_line: 3, end_line: 3 });
  expect(read.content[0]!.text).toBe("port.md, lines 3 to 3 of 4\nThe widget server listens on port 4711.");
  for (const file of ["secret.md", "../x", "/etc/passwd"]) {
    const refused = await call("read", { file });
    expect(refused.isError).toBe(true);
  }
  expect((await call("search", {})).isError).toBe(true);
});
