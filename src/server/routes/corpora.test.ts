import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Json, json, readEvents, type TestApp, testApp } from "../test-app.case.js";

async function folder(): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), "quire-corpora-"));
  onTestFinished(() => rm(made, { recursive: true, force: true }));
  return made;
}

async function upload({ app }: TestApp, id: string, files: Record<string, string>): Promise<Response> {
  const form = new FormData();
  for (const [name, text] of Object.entries(files)) form.append("file", new File([text], name));
  return app.request(`/v1/corpora/${id}/files`, { method: "POST", body: form });
}

async function settled({ app, service }: TestApp, id: string): Promise<Json> {
  const caller = { key: undefined, address: "test" };
  await service.library.get(caller, id).settled();
  return json(await app.request(`/v1/corpora/${id}`));
}

const port = "# Port\n\nThe widget server listens on port 4711.\n\nIt was chosen in 1999.\n";
const people = "# People\n\nMarta Olsen signs the release tag.\n";

describe("a corpus of files that were sent", () => {
  it("is made, filled, searched, asked, read and deleted", async () => {
    const dataFolder = await folder();
    const server = await testApp({ reply: () => "4711" }, { dataFolder });
    const { app, post } = server;
    const made = await json(await post("/v1/corpora", { name: "Widgets" }));
    expect(made).toMatchObject({ object: "corpus", name: "Widgets", chunks: 0, read_only: false });
    const id: string = made.id;
    expect((await settled(server, id)).status).toBe("ready");
    expect((await post(`/v1/corpora/${id}/ask`, { question: "Which port?" })).status).toBe(400);
    expect((await upload(server, id, { "docs/port.md": port, "people.md": people })).status).toBe(200);
    expect(await settled(server, id)).toMatchObject({
      status: "ready",
      chunks: 2,
      file_counts: { total: 2, completed: 2, failed: 0, in_progress: 0 },
      bytes: port.length + people.length,
    });

    const { data } = await json(await post(`/v1/corpora/${id}/search`, { query: "widget port", limit: 1 }));
    expect(data).toHaveLength(1);
    expect(data[0]).toMatchObject({ file: "docs/port.md", start_line: 1, text: expect.stringContaining("4711") });
    const chosen = await json(await post(`/v1/corpora/${id}/search`, { query: "widget port", selector: "topk" }));
    expect(chosen.data[0].file).toBe("docs/port.md");

    const answer = await json(
      await post(`/v1/corpora/${id}/ask`, { question: "On which port does the server listen?" }),
    );
    expect(answer).toMatchObject({ stated: true, model: "echo", answer: expect.stringContaining("4711") });
    const [cited] = answer.evidence;
    expect(cited).toMatchObject({ file: "docs/port.md" });
    expect(Buffer.from(port).subarray(cited.start_byte, cited.end_byte).toString()).toBe(cited.quote);

    const source = await json(await app.request(`/v1/corpora/${id}/source?file=docs/port.md&start=3&end=3`));
    expect(source).toEqual({
      file: "docs/port.md",
      start_line: 3,
      lines: ["The widget server listens on port 4711."],
      total_lines: 6,
    });
    let map: Json;
    do map = await json(await app.request(`/v1/corpora/${id}/map`));
    while (map.provisional === true);
    expect(map).toMatchObject({ name: "Widgets", size: port.length + people.length });
    const scope = map.children.find(({ chunk }: Json) => chunk?.file === "people.md")?.id ?? map.children[0].id;
    const scoped = await json(await post(`/v1/corpora/${id}/ask`, { question: "Who signs the tag?", scope }));
    const scopedFiles = new Set(scoped.evidence.map(({ file }: Json) => file));
    expect(scopedFiles.size).toBe(1);
    const unknown = await post(`/v1/corpora/${id}/ask`, { question: "Who?", scope: "bicycles" });
    expect([unknown.status, (await json(unknown)).error.code]).toEqual([404, "not_found"]);

    expect((await app.request(`/v1/corpora/${id}/files/docs%2Fport.md`, { method: "DELETE" })).status).toBe(200);
    expect((await settled(server, id)).chunks).toBe(1);
    expect((await app.request(`/v1/corpora/${id}`, { method: "DELETE" })).status).toBe(200);
    expect((await app.request(`/v1/corpora/${id}`)).status).toBe(404);
    expect(await readdir(path.join(dataFolder, "corpora"))).toEqual([]);
  });

  it("streams an answer: progress, evidence, text, done", async () => {
    const server = await testApp({ reply: () => "4711" });
    const { id } = await json(await server.post("/v1/corpora", { name: "x" }));
    await upload(server, id, { "port.md": port });
    await settled(server, id);
    const response = await server.post(`/v1/corpora/${id}/ask`, { question: "Which port?", stream: true });
    const events = await readEvents(response);
    const names = events.map(({ event }) => event);
    expect(names[0]).toBe("progress");
    expect(names.indexOf("evidence")).toBeLessThan(names.indexOf("text"));
    expect(names.at(-1)).toBe("done");
    const text = events.filter(({ event }) => event === "text").map(({ data }) => JSON.parse(data).text);
    expect(text.join("")).toBe(JSON.parse(events.at(-1)!.data).answer);
  });

  it("tells of indexing as it goes on", async () => {
    const server = await testApp();
    const { id } = await json(await server.post("/v1/corpora", { name: "x" }));
    await settled(server, id);
    const response = await server.app.request(`/v1/corpora/${id}/events`);
    const reader = response.body!.getReader();
    let heard = "";
    const listening = (async () => {
      while (!/event: ready\ndata: \{"chunks":1\}/.test(heard)) {
        const { value, done } = await reader.read();
        if (done) break;
        heard += new TextDecoder().decode(value);
      }
    })();
    await upload(server, id, { "port.md": port });
    await listening;
    await reader.cancel();
    expect(heard).toMatch(/event: indexing\ndata: \{"done":0,"total":1,"file":"port.md"\}/);
  });

  it("names are names, never paths", async () => {
    const dataFolder = await folder();
    const server = await testApp({}, { dataFolder });
    const { id } = await json(await server.post("/v1/corpora", { name: "../../evil" }));
    for (const name of ["../../escape.md", "..", "a/../b", ""]) {
      const body = `--x\r\ncontent-disposition: form-data; name="file"; filename="${name}"\r\n\r\ntext\r\n--x--`;
      const headers = { "content-type": "multipart/form-data; boundary=x" };
      const response = await server.app.request(`/v1/corpora/${id}/files`, { method: "POST", body, headers });
      expect([name, response.status]).toEqual([name, 400]);
    }
    await upload(server, id, { "/etc/passwd.md": people, "con\u0000trol\n.md": port });
    await settled(server, id);
    const { data } = await json(await server.app.request(`/v1/corpora/${id}/files`));
    expect(data.map(({ name }: { name: string }) => name).sort()).toEqual(["control.md", "etc/passwd.md"]);
    const onDisk = await readdir(path.join(dataFolder, "corpora", id, "documents"));
    expect(onDisk.every((name) => /^[0-9a-f]{24}\.md$/.test(name))).toBe(true);
    for (const file of ["../record.json", "record.json", onDisk[0]!, "/etc/passwd", "etc/passwd.md/.."]) {
      const response = await server.app.request(`/v1/corpora/${id}/source?file=${encodeURIComponent(file)}`);
      expect([file, response.status]).toEqual([file, 404]);
    }
  });

  it("takes files that were sent before, replaces what has the same name, and says what cannot be read", async () => {
    const server = await testApp();
    const form = new FormData();
    form.append("purpose", "assistants");
    form.append("file", new File([port], "port.md"));
    const file = await json(await server.app.request("/v1/files", { method: "POST", body: form }));
    expect(file).toMatchObject({ object: "file", filename: "port.md", bytes: port.length, purpose: "assistants" });
    const { id } = await json(await server.post("/v1/corpora", { name: "x" }));
    await server.post(`/v1/corpora/${id}/files`, { file_id: file.id });
    await upload(server, id, { "port.md": `${port}More.\n`, "broken.pdf": "%PDF-1.7 nothing" });
    const after = await settled(server, id);
    expect(after.file_counts).toMatchObject({ total: 2, completed: 1, failed: 1 });
    const { data } = await json(await server.app.request(`/v1/corpora/${id}/files`));
    const broken = data.find(({ name }: { name: string }) => name === "broken.pdf");
    expect(broken).toMatchObject({ status: "failed", problem: expect.stringMatching(/\w/) });
    const found = await json(await server.post(`/v1/corpora/${id}/search`, { query: "more" }));
    expect(found.data[0].text).toContain("More.");
    expect((await server.app.request(`/v1/files/${file.id}`, { method: "DELETE" })).status).toBe(200);
    expect((await json(await server.app.request("/v1/files"))).data).toEqual([]);
  });

  it("is there again after a restart", async () => {
    const dataFolder = await folder();
    const first = await testApp({}, { dataFolder });
    const { id } = await json(await first.post("/v1/corpora", { name: "kept" }));
    await upload(first, id, { "port.md": port });
    await settled(first, id);
    await first.service.library.close();
    const second = await testApp({}, { dataFolder });
    expect(await settled(second, id)).toMatchObject({ name: "kept", chunks: 1, status: "ready" });
  });

  it("refuses what is too large", async () => {
    const server = await testApp({}, { maxUploadBytes: 1000 });
    const { id } = await json(await server.post("/v1/corpora", { name: "x" }));
    const response = await upload(server, id, { "big.txt": "x".repeat(2000) });
    expect(response.status).toBe(413);
    expect((await json(response)).error.code).toBe("request_too_large");
  });
});

describe("a folder the server was started with", () => {
  it("is offered read-only, and only what is indexed can be read", async () => {
    const docs = await folder();
    await mkdir(path.join(docs, "sub"));
    await writeFile(path.join(docs, "sub", "port.md"), port);
    await writeFile(path.join(docs, ".gitignore"), "secret.md\n");
    await writeFile(path.join(docs, "secret.md"), "# The secret");
    await symlink("/etc/hosts", path.join(docs, "hosts.md"));
    const server = await testApp({}, { corpora: [docs] });
    const [corpus] = (await json(await server.app.request("/v1/corpora"))).data;
    expect(await settled(server, corpus.id)).toMatchObject({ read_only: true, status: "ready" });
    const names = (await json(await server.app.request(`/v1/corpora/${corpus.id}/files`))).data;
    expect(names.map(({ name }: { name: string }) => name).sort()).toEqual([".gitignore", "sub/port.md"]);
    const at = `/v1/corpora/${corpus.id}`;
    expect((await server.app.request(`${at}/source?file=sub/port.md`)).status).toBe(200);
    for (const file of ["secret.md", "hosts.md", "../x", "sub/../secret.md"]) {
      expect((await server.app.request(`${at}/source?file=${encodeURIComponent(file)}`)).status).toBe(404);
    }
    expect((await upload(server, corpus.id, { "a.md": "x" })).status).toBe(403);
    expect((await server.app.request(at, { method: "DELETE" })).status).toBe(403);
    expect((await server.app.request(`${at}/files/sub%2Fport.md`, { method: "DELETE" })).status).toBe(403);
    const text = JSON.stringify(await json(await server.app.request(`${at}/files`)));
    expect(text).not.toContain(docs);
  });
});
