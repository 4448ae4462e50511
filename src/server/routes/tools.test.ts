import { describe, expect, it } from "vitest";
import { json, readEvents, testApp } from "../test-app.case.js";

const path = "/v1/chat/completions";
const messages = [{ role: "user", content: "Weather in Oslo?" }];
const tools = [
  {
    type: "function",
    function: {
      name: "weather",
      description: "The weather",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
  { type: "function", function: { name: "time" } },
];
const call = '{"name": "weather", "arguments": {"city": "Oslo"}}';

/** Plays a model: opens a call unasked, fills one that stands open, and is then content. */
function caller(calls = 1, before = "") {
  let made = 0;
  return (prompt: string): string => {
    if (prompt.endsWith("<tool_call>\n")) {
      made++;
      return call;
    }
    return made < calls ? `${before}<tool_call>\n{"name": "wea` : "\n";
  };
}

describe("tools", () => {
  it("are shown to the model, and its call comes back parsed", async () => {
    const { post, engine } = await testApp({ reply: caller(1, "One moment. ") });
    const body = await json(await post(path, { messages, tools }));
    expect(body.choices[0]).toMatchObject({
      finish_reason: "tool_calls",
      message: {
        content: "One moment.",
        tool_calls: [{ type: "function", function: { name: "weather", arguments: '{"city":"Oslo"}' } }],
      },
    });
    expect(body.choices[0].message.tool_calls[0].id).toMatch(/^call_\w{24}$/);
    const prompt = String.fromCodePoint(...engine.jobs[0]!.prompt);
    expect(prompt).toContain('"name":"weather"');
    // The call itself was generated under a schema of the tools.
    expect(JSON.stringify(engine.jobs[1]!.options.schema)).toContain('"const":"weather"');
    expect(String.fromCodePoint(...engine.jobs[1]!.prompt)).toMatch(/One moment\. <tool_call>\n$/);
  });

  it("can be several in one answer, or one at most", async () => {
    const { post } = await testApp({ reply: caller(3) });
    const many = await json(await post(path, { messages, tools }));
    expect(many.choices[0].message.tool_calls).toHaveLength(3);
    expect(many.choices[0].message.content).toBeNull();
    const { post: again } = await testApp({ reply: caller(3) });
    const one = await json(await again(path, { messages, tools, parallel_tool_calls: false }));
    expect(one.choices[0].message.tool_calls).toHaveLength(1);
  });

  it("must be called when that is asked, and the one that is named", async () => {
    const { post, engine } = await testApp({ reply: caller() });
    const body = await json(await post(path, { messages, tools, tool_choice: "required" }));
    expect(body.choices[0].finish_reason).toBe("tool_calls");
    expect(engine.jobs).toHaveLength(1);
    const named = { type: "function", function: { name: "weather" } };
    await post(path, { messages, tools, tool_choice: named });
    expect(JSON.stringify(engine.jobs.at(-1)!.options.schema)).not.toContain('"time"');
    const wrong = await post(path, { messages, tools, tool_choice: { type: "function", function: { name: "no" } } });
    expect((await json(wrong)).error.param).toBe("tool_choice.function.name");
  });

  it("are left alone with tool_choice none, and when the model just talks", async () => {
    const { post, engine } = await testApp({ reply: () => "It is sunny." });
    const none = await json(await post(path, { messages, tools, tool_choice: "none" }));
    expect(none.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "It is sunny." } });
    expect(String.fromCodePoint(...engine.jobs[0]!.prompt)).not.toContain("weather");
    const auto = await json(await post(path, { messages, tools }));
    expect(auto.choices[0]).toMatchObject({ finish_reason: "stop", message: { content: "It is sunny." } });
    expect(auto.choices[0].message.tool_calls).toBeUndefined();
  });

  it("stream as deltas that merge by index", async () => {
    const { post } = await testApp({ reply: caller(2) });
    const events = await readEvents(await post(path, { messages, tools, stream: true }));
    const merged: { name: string; arguments: string; id: string }[] = [];
    const chunks = events.slice(0, -1).map(({ data }) => JSON.parse(data).choices[0]);
    for (const { delta } of chunks) {
      for (const { index, id, function: made } of delta.tool_calls ?? []) {
        merged[index] ??= { name: "", arguments: "", id };
        merged[index].name += made.name ?? "";
        merged[index].arguments += made.arguments ?? "";
      }
    }
    expect(merged.map(({ name, arguments: args }) => [name, JSON.parse(args)])).toEqual([
      ["weather", { city: "Oslo" }],
      ["weather", { city: "Oslo" }],
    ]);
    expect(chunks.map(({ delta }) => delta.content ?? "").join("")).toBe("");
    expect(chunks.at(-1).finish_reason).toBe("tool_calls");
  });

  it("and their results go back into the conversation", async () => {
    const { post, engine } = await testApp({ reply: () => "Sunny." });
    const turn = [
      ...messages,
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c1", type: "function", function: { name: "weather", arguments: '{"city":"Oslo"}' } }],
      },
      { role: "tool", tool_call_id: "c1", content: "sunny" },
    ];
    expect((await post(path, { messages: turn, tools })).status).toBe(200);
    const prompt = String.fromCodePoint(...engine.jobs[0]!.prompt);
    expect(prompt).toContain('<tool_call>\n{"name": "weather", "arguments": {"city":"Oslo"}}\n</tool_call>');
    expect(prompt).toContain("<tool_response>\nsunny\n</tool_response>");
  });

  it("go through a template that knows them, in its own form", async () => {
    const template =
      "{% if tools %}TOOLS {{ tools | tojson }}\n{% endif %}{% for m in messages %}{{ m.role }}: {{ m.content }}{% if m.tool_calls %}{{ m.tool_calls[0].function.arguments.city }}{% endif %}\n{% endfor %}respond with name and parameters: ";
    let asked = 0;
    const { post, engine } = await testApp({
      template,
      reply: () => (asked++ === 0 ? '{"name": "wea' : '{"name": "weather", "parameters": {"city": "Oslo"}}'),
    });
    const body = await json(await post(path, { messages, tools }));
    expect(body.choices[0].message.tool_calls[0].function).toEqual({ name: "weather", arguments: '{"city":"Oslo"}' });
    expect(String.fromCodePoint(...engine.jobs[0]!.prompt)).toMatch(/^TOOLS \[.*weather/);
  });
});
